// Package templates is what requests are made from: URLs and headers with {column}
// placeholders, and bodies that are a row as it is or a text/template. What is put in is
// escaped for where it stands, and what can't stand there is refused.
package templates
