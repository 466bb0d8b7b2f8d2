//! RESP, what Redis and its clients speak, in versions 2 and 3: `parser` takes asks out of received bytes, `writer` draws
//! replies. Source: Redis's RESP specification, and `networking.c` where that is silent.

mod inline;
pub mod parser;
pub mod writer;

pub use parser::{ParseLimits, Parsed, Parser};
pub use writer::RespWriter;
