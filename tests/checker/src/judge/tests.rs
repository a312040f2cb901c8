//! Histories written by hand: good ones that are judged good, and bad ones that are judged bad, by
//! the invariant that they break and by no other without need.

mod bad_claims;
mod bad_ends;
mod bad_puts;
mod good;
mod machine;
mod tale;
