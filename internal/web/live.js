// Keeps the first page live. Without it the page shows the same, as of its loading.
"use strict";

// update makes a part like a newer one and touches what differs alone: focus and what is
// selected stay, and a screen reader says what is new.
function update(part, newer) {
  if (part.isEqualNode(newer)) return;
  const kind = (node) => node.nodeName + (node.id || "") + node.childNodes.length;
  if (kind(part) !== kind(newer)) { part.replaceWith(newer.cloneNode(true)); return; }
  if (part.nodeType === Node.TEXT_NODE) { part.nodeValue = newer.nodeValue; return; }
  for (const { name } of [...part.attributes]) if (!newer.hasAttribute(name)) part.removeAttribute(name);
  for (const { name, value } of newer.attributes) if (part.getAttribute(name) !== value) part.setAttribute(name, value);
  [...part.childNodes].forEach((child, i) => update(child, newer.childNodes[i]));
}

for (const part of document.querySelectorAll("[data-live]")) {
  const news = new EventSource(part.dataset.live);
  news.onmessage = (event) => {
    const newer = part.cloneNode(false);
    newer.innerHTML = event.data;
    if (newer.childNodes.length === part.childNodes.length) update(part, newer);
    else part.replaceChildren(...newer.childNodes);
  };
  addEventListener("pagehide", () => news.close());
}
