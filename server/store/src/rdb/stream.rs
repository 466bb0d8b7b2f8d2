//! Room: store. Streams in RDB bodies: types 15, 19 and 21. Touches: nothing beyond this crate.
//!
//! The place where their codec belongs. A stream cannot be read yet: its types are refused as unknown ones are.

use super::BadData;
use super::read::Parsed;
use crate::cell::Entry;

/// Appends type byte and body of a stream.
pub fn write(_entry: Entry<'_>, _out: &mut Vec<u8>) {
    unreachable!("no command makes a stream");
}

/// Takes a stream's body of type `kind` apart.
pub fn read(_kind: u8, _body: &[u8]) -> Result<Parsed, BadData> {
    Err(BadData)
}
