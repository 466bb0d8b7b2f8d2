//! Room: config. What the process is told, by files, on its command line and by CONFIG SET: one table behind all of them.
//! Touches: base, log.
//!
//! - `rows`: THE table. `row`: what a row is. `special`: directives with a form of their own. `settings`: the typed result.
//! - `load`: files and lines into settings. `cli`: the command line. `ask`: CONFIG GET and SET. `rewrite`: CONFIG REWRITE.
//! - `banner`: what the start says.

pub mod ask;
pub mod banner;
pub mod cli;
pub mod load;
pub mod rewrite;
pub mod row;
pub mod rows;
pub mod settings;
mod special;
mod words;

pub use cli::{Told, read};
pub use load::Loaded;
pub use settings::{
    BindAddress, BufferLimit, ClientClass, Endpoint, FsyncPolicy, Guard, IdleSpin, MemoryLimit, Policy, Settings,
    Supervised,
};
pub use special::{cpu_list, cpu_list_text, percentile_text};
