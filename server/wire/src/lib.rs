//! Room: wire. Bytes to asks, replies to bytes, for both dialects; no socket in sight. Touches: base.
#![forbid(unsafe_code)]

pub mod memcache;
pub mod resp;
