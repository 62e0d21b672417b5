package billingfake

// Trait is a way in which one API acts on a request and another doesn't. The
// traits are the types of this package that implement it, each in a file of its
// own. They stand between the idempotency keys and the effect, in the order of
// [Config.Traits]: each answers itself, or has next answer.
type Trait interface {
	answer(x *exchange, next func() reply) reply
}
