//! Room: store. The frame of an RDB file, written. Touches: base.
//!
//! A file is `begin`, any number of `aux`, `function`s, then for each database `select`, perhaps `resize`, and its entries: an
//! `entry_head`, which ends with the type byte and the key, then the body; last `end`. Source: rdbSaveRio in rdb.c of Redis 7.2.

use super::super::crc::crc64;
use super::super::lzf::Lzf;
use super::super::write::{len, string};
use super::{Age, Head, aux, op};
use crate::pack;
use base::DbId;

/// The first bytes of a file of this version.
pub fn begin(out: &mut Vec<u8>, version: u16) {
    out.extend_from_slice(format!("REDIS{version:04}").as_bytes());
}

/// A name and a text that tell something of the file.
pub fn aux(out: &mut Vec<u8>, name: &[u8], text: &[u8]) {
    out.push(op::AUX);
    string(out, name);
    string(out, text);
}

/// What Redis and the tools that read its files look for, at the head of a file. `used_bytes`: memory in use.
pub fn info(out: &mut Vec<u8>, unix_s: u64, used_bytes: u64, torc_version: &str) {
    // Tools choose by it how to read: the release whose forms are written.
    aux(out, b"redis-ver", b"7.2.0");
    aux(out, b"redis-bits", b"64");
    number(out, b"ctime", unix_s);
    number(out, b"used-mem", used_bytes);
    aux(out, b"aof-base", b"0");
    aux(out, b"torc-ver", torc_version.as_bytes());
}

/// As `aux`.
fn number(out: &mut Vec<u8>, name: &[u8], n: u64) {
    match i64::try_from(n) {
        Ok(n) => aux(out, name, pack::write_number(n, &mut [0; 20])),
        Err(_) => aux(out, name, n.to_string().as_bytes()),
    }
}

/// A library of functions: its source text.
pub fn function(out: &mut Vec<u8>, text: &[u8]) {
    out.push(op::FUNCTION);
    string(out, text);
}

/// What follows lies in `db`.
pub fn select(out: &mut Vec<u8>, db: DbId) {
    out.push(op::SELECT);
    len(out, db.0.into());
}

/// How much of the database follows, so that a reader can make room at once. Stands right behind `select`.
pub fn resize(out: &mut Vec<u8>, keys: u64, with_deadline: u64) {
    out.push(op::RESIZE);
    len(out, keys);
    len(out, with_deadline);
}

/// All of an entry before its body. `lzf`: where strings are to be compressed.
pub fn entry_head(out: &mut Vec<u8>, head: &Head<'_>, type_byte: u8, lzf: Option<&mut Lzf>) {
    if head.flags != 0 {
        number(out, aux::FLAGS, head.flags.into());
    }
    if let Some(version) = head.version {
        number(out, aux::VERSION, version);
    }
    if let Some(deadline) = head.deadline {
        out.push(op::DEADLINE_MS);
        out.extend_from_slice(&deadline.to_le_bytes());
    }
    match head.age {
        Age::Unknown => {}
        Age::Idle(seconds) => {
            out.push(op::IDLE);
            len(out, seconds);
        }
        Age::Frequency(counter) => out.extend_from_slice(&[op::FREQUENCY, counter]),
    }
    out.push(type_byte);
    match lzf {
        Some(lzf) => lzf.string(out, head.key),
        None => string(out, head.key),
    }
}

/// The end. `sum`: the checksum of everything before it, of other buffers too; `told`: whether it is written into the file
/// (`rdbchecksum`). Given back is the checksum of all but the last eight bytes, which is what manifests name: that of the
/// whole file is 0 for every file that ends with its own.
pub fn end(out: &mut Vec<u8>, sum: u64, told: bool) -> u64 {
    out.push(op::END);
    let sum = crc64(sum, &[op::END]);
    out.extend_from_slice(&if told { sum } else { 0 }.to_le_bytes());
    sum
}
