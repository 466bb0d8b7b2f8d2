//! memcached's text protocol: `parser` takes asks out of received bytes, `writer` draws replies. Source: memcached's
//! `doc/protocol.txt`, and its 1.6.45 where that is silent.

pub mod parser;
pub mod writer;

pub use parser::{ParseLimits, Parsed, Parser};
pub use writer::McWriter;
