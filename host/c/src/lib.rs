//! `libmongoqueue`: the queue and its sandbox for programs that call C.
//!
//! The header `include/mongoqueue.h` is the documentation of the functions. Whatever a caller does
//! with handles and null pointers is answered by a code; no panic crosses the boundary.
//!
//! In reading order: [`code`], what a call answers; [`call`], what stands around each call;
//! [`table`], handles; [`input`], what callers point to; [`options`], the JSON that they hand in;
//! then the functions: [`connection`], [`jobs`], [`lease`], [`run`] and [`results`].
#![allow(unsafe_code, reason = "the room that speaks C: it reads what callers point to")]

mod call;
mod code;
mod connection;
mod input;
mod jobs;
mod lease;
mod options;
mod results;
mod run;
mod shown;
mod table;
