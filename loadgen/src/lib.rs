//! Room: loadgen. Asks a server in any of its dialects, measures, and checks what comes back.
//! Touches: nothing of the server's, so that a bug of the server's wire code is not mirrored here.
//!
//! From the top: `options` and `scenario` make a `plan`; `run` connects, populates, measures or searches (`limit`) and tells
//! the `outcome`; `engine` runs a stage on threads, each a `worker` with its `ring`; a `session` is one connection without its
//! socket: it `draw`s asks from the `book` (the plan made ready: `recipe`s, `chance`) when the `schedule` says, reads answers by
//! `wire`, has them judged by `verify` and counted by `tally`. `live` draws the run while it goes on and `report` when it is over.

pub mod book;
pub mod chance;
pub mod cluster;
pub mod dial;
pub mod draw;
pub mod engine;
pub mod facts;
pub mod limit;
pub mod live;
pub mod objective;
pub mod options;
pub mod outcome;
pub mod plan;
pub mod poll;
pub mod recipe;
pub mod report;
pub mod ring;
pub mod run;
pub mod scenario;
pub mod schedule;
pub mod session;
pub mod smoke;
pub mod socket;
pub mod tally;
pub mod verify;
pub mod wire;
pub mod worker;
