//! Room: node, tests. Two replies to one ask: the same or not.

use cases::Value;

/// How replies to an ask are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Exact,
    /// In no order.
    Unordered,
    /// Of equal weights either may come first.
    Sorted,
    SortedPart,
    /// DBSIZE: Redis counts what is due and not yet found to be.
    Count,
    /// Name, value, name, value, ... in no order.
    Pairs,
    /// A moment, or a time until or since one.
    Time,
    /// XINFO, XPENDING: among other things times.
    Stream,
    /// OBJECT IDLETIME.
    Idle,
    /// OBJECT REFCOUNT.
    References,
    /// OBJECT ENCODING.
    Encoding,
    /// A payload: each server has its own.
    Dump,
    /// At random.
    Drawn,
    /// HELP: in words of one's own.
    Help,
    /// A walk by cursor.
    Scan,
    /// XADD with an id of the clock.
    NewId,
    /// XAUTOCLAIM of very many.
    Claim,
}

/// OBJECT REFCOUNT of what all keys share (server.h, OBJ_SHARED_REFCOUNT).
const SHARED: i64 = i32::MAX as i64;
/// What two servers' clocks and a busy machine may lie apart.
const TOLERANCE_MS: i64 = 30_000;

pub fn kind_of(ask: &[Vec<u8>]) -> Kind {
    let words: Vec<Vec<u8>> = ask.iter().map(|w| w.to_ascii_uppercase()).collect();
    let has = |text: &[u8]| words.iter().skip(2).any(|w| w == text);
    match &words[0][..] {
        b"SMEMBERS" | b"SINTER" | b"SUNION" | b"SDIFF" | b"KEYS" | b"HKEYS" | b"HVALS" => Kind::Unordered,
        b"HGETALL" => Kind::Pairs,
        b"GEOSEARCH" | b"GEORADIUS" | b"GEORADIUSBYMEMBER" | b"GEORADIUS_RO" | b"GEORADIUSBYMEMBER_RO"
            if !has(b"ASC") && !has(b"DESC") =>
        {
            Kind::Unordered
        }
        b"SORT" | b"SORT_RO" if has(b"BY") && has(b"LIMIT") => Kind::SortedPart,
        b"SORT" | b"SORT_RO" => Kind::Sorted,
        b"DBSIZE" => Kind::Count,
        b"TTL" | b"PTTL" | b"EXPIRETIME" | b"PEXPIRETIME" => Kind::Time,
        b"OBJECT" | b"XINFO" | b"XGROUP" if words.len() == 2 && words[1] == b"HELP" => Kind::Help,
        b"OBJECT" if words.get(1).is_some_and(|w| w == b"IDLETIME") => Kind::Idle,
        b"OBJECT" if words.get(1).is_some_and(|w| w == b"REFCOUNT") => Kind::References,
        b"OBJECT" if words.get(1).is_some_and(|w| w == b"ENCODING") => Kind::Encoding,
        b"XINFO" | b"XPENDING" => Kind::Stream,
        b"DUMP" => Kind::Dump,
        b"SPOP" | b"SRANDMEMBER" | b"HRANDFIELD" | b"ZRANDMEMBER" | b"RANDOMKEY" => Kind::Drawn,
        b"SCAN" | b"SSCAN" | b"HSCAN" | b"ZSCAN" => Kind::Scan,
        b"XADD" if has(b"*") => Kind::NewId,
        b"XAUTOCLAIM" if words.iter().skip(6).any(|w| w.len() > 8) => Kind::Claim,
        _ => Kind::Exact,
    }
}

pub fn same(kind: Kind, a: &Value, b: &Value) -> bool {
    if a == b {
        return true;
    }
    match (kind, a, b) {
        // An error's text cannot carry bytes that are no text.
        (_, Value::Error(a), Value::Error(b)) => String::from_utf8_lossy(a) == String::from_utf8_lossy(b),
        // Redis looks at `errno` after `strtod` and does not clear it before: a number out of range in any earlier ask stays there.
        (Kind::Sorted | Kind::SortedPart, Value::Error(a), _)
            if a == b"ERR One or more scores can't be converted into double" =>
        {
            true
        }
        // For ids it takes what fits the host's memory.
        (_, Value::Error(a), Value::Array(_)) if a.ends_with(b"transient memory, COUNT too high.") => true,
        (Kind::SortedPart, Value::Array(a), Value::Array(b)) => a.len() == b.len(),
        (Kind::Count, Value::Int(a), Value::Int(b)) => a >= b,
        (Kind::Sorted | Kind::Unordered, Value::Array(a), Value::Array(b))
        | (Kind::Unordered, Value::Set(a), Value::Set(b)) => {
            sorted(a.iter().map(Value::render)) == sorted(b.iter().map(Value::render))
        }
        (Kind::Pairs, Value::Array(a), Value::Array(b)) | (Kind::Pairs, Value::Map(a), Value::Map(b)) => {
            let pairs = |all: &[Value]| {
                sorted(all.chunks(2).map(|p| format!("{:?}", p.iter().map(Value::render).collect::<Vec<_>>())))
            };
            pairs(a) == pairs(b)
        }
        // A small integer is an object of all keys', whose clock nobody sets.
        (Kind::Idle, Value::Int(a), Value::Int(b)) => *a >= 0 && *b >= 0,
        // So is it shared, unless a command copies it (COPY).
        (Kind::References, Value::Int(1 | SHARED), Value::Int(1 | SHARED)) => true,
        // The last half second of all time is rounded up, and runs over.
        (Kind::Time, Value::Int(a), Value::Int(b)) if *a < 0 && *b > i64::MAX / 1000 => *a == i64::MIN / 1000,
        (Kind::Time, Value::Int(a), Value::Int(b)) => *a >= 0 && *b >= 0 && (a - b).abs() <= TOLERANCE_MS,
        (Kind::Help, Value::Array(_), Value::Array(_)) => true,
        // What SORT leaves a sorted set in.
        (Kind::Encoding, Value::Bulk(a), Value::Bulk(b)) => a == b"skiplist" && b == b"listpack",
        (Kind::Dump, Value::Bulk(_), Value::Bulk(_)) => true,
        (Kind::Stream, a, b) => same_facts(a, b),
        (Kind::Scan, a, b) => same_scores(a, b, |a, b| a == b),
        (_, a, b) => same_scores(a, b, |a, b| a == 0.0 && b == 0.0),
    }
}

/// The same, but for scores as a skiplist shows them, which SORT leaves a sorted set in: to ZSCAN with 17 digits, and with a
/// zero's sign.
fn same_scores(a: &Value, b: &Value, alike: fn(f64, f64) -> bool) -> bool {
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<f64>().ok();
    let both = |a: &[u8], b: &[u8]| number(a).zip(number(b)).is_some_and(|(a, b)| alike(a, b));
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_scores(a, b, alike))
        }
        (Value::Bulk(x), Value::Bulk(y)) => x == y || both(x, y),
        (Value::Double(x), Value::Double(y)) => x == y || both(x.as_bytes(), y.as_bytes()),
        _ => a == b,
    }
}

fn sorted(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = all.collect();
    all.sort();
    all
}

/// Facts of streams: moments and times since may differ, and what a radix tree is made of.
fn same_facts(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) | (Value::Map(a), Value::Map(b)) => {
            let name = |i: usize| match i.checked_sub(1).map(|i| &a[i]) {
                Some(Value::Bulk(name) | Value::Simple(name)) => &name[..],
                _ => b"",
            };
            a.len() == b.len()
                && a.iter().zip(b).enumerate().all(|(i, (x, y))| match (x, y) {
                    (Value::Int(_), Value::Int(_)) if name(i).starts_with(b"radix-tree") => true,
                    // [id, consumer, milliseconds since, deliveries]
                    (Value::Int(x), Value::Int(y))
                        if matches!(name(i), b"idle" | b"inactive" | b"seen-time" | b"active-time")
                            || *x > 1_000_000_000_000
                            || a.len() == 4 && i == 2 =>
                    {
                        (x < &0) == (y < &0) && x.abs_diff(*y) <= TOLERANCE_MS as u64
                    }
                    _ => same_facts(x, y),
                })
        }
        _ => a == b,
    }
}

/// All that an aggregate holds, pairs taken apart.
pub fn flat(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(all) | Value::Set(all) | Value::Map(all) => all.iter().flat_map(flat).collect(),
        other => vec![other.clone()],
    }
}
