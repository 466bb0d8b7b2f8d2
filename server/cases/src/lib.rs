//! Room: cases. Transcripts of both protocols as data, run against anything that answers: handlers alone, a simulated
//! node, a live node, a genuine server. For tests only. Touches: nothing of the project's, so that a bug of the server's
//! own codec is not mirrored here.
//!
//! The format of `.case` files stands in `server/command/tests/cases/README.md`.
#![forbid(unsafe_code)]

pub mod case;
pub mod pattern;
pub mod run;
pub mod socket;
pub mod text;
pub mod value;

pub use case::{Case, Dialect, Expect, Step, files, parse};
pub use pattern::Pattern;
pub use run::{Report, Target, Unsupported, run, run_files};
pub use socket::SocketTarget;
pub use value::Value;
