//! The web checkout on each database: a saga that is broken off at every step, a crowd that wants the last goods, a cart
//! that two change while a third reads it, sessions whose cache forgets everything.

mod cart;
mod saga;
mod shop;
