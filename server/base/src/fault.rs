//! A client's mistakes and the server's refusals. A fault is a variant, its text stands once. Clients match on the text,
//! so it is Redis's, and for memcached's rows memcached's, to the letter.

use std::borrow::Cow;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    // Redis's words.
    Syntax,
    NotInteger,
    NotFloat,
    NanOrInfinity,
    Overflow,
    WrongType,
    NoSuchKey,
    SameObject,
    DbIndexOutOfRange,
    InvalidDbIndex,
    /// The verb, as the table spells it.
    WrongArity(&'static str),
    InvalidExpire(&'static str),
    OffsetOutOfRange,
    StringTooLong,
    OutOfMemory,
    NoAuth,
    NoProto,
    WrongPass,
    Loading,
    /// Slot and `host:port` of the owner.
    Moved(u16, String),
    CrossSlot,
    NoWritesNow(&'static str),
    /// Any other text after `-`, with its code word: `ERR …`, `NOTBUSY …`.
    Text(Cow<'static, str>),

    // memcached's words.
    /// `CLIENT_ERROR …`
    Client(&'static str),
    /// `SERVER_ERROR …`
    Server(&'static str),
    /// `ERROR`
    Unknown,
}

impl Fault {
    /// `Fault::Text` with `ERR ` before it.
    pub fn err(text: impl AsRef<str>) -> Fault {
        Fault::Text(format!("ERR {}", text.as_ref()).into())
    }

    /// `ERR` as Redis says it of a subcommand that its container does not have.
    pub fn unknown_subcommand(sub: &[u8], container: &str) -> Fault {
        let sub: String = String::from_utf8_lossy(&sub[..sub.len().min(128)]).into_owned();
        Fault::err(format!("unknown subcommand '{sub}'. Try {} HELP.", container.to_ascii_uppercase()))
    }

    /// What follows `-` in RESP, without the line's end.
    pub fn resp(&self) -> Cow<'static, str> {
        let text: &'static str = match self {
            Fault::Syntax => "ERR syntax error",
            Fault::NotInteger => "ERR value is not an integer or out of range",
            Fault::NotFloat => "ERR value is not a valid float",
            Fault::NanOrInfinity => "ERR increment would produce NaN or Infinity",
            Fault::Overflow => "ERR increment or decrement would overflow",
            Fault::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
            Fault::NoSuchKey => "ERR no such key",
            Fault::SameObject => "ERR source and destination objects are the same",
            Fault::DbIndexOutOfRange => "ERR DB index is out of range",
            Fault::InvalidDbIndex => "ERR invalid DB index",
            Fault::WrongArity(verb) => return format!("ERR wrong number of arguments for '{verb}' command").into(),
            Fault::InvalidExpire(verb) => return format!("ERR invalid expire time in '{verb}' command").into(),
            Fault::OffsetOutOfRange => "ERR offset is out of range",
            Fault::StringTooLong => "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
            Fault::OutOfMemory => "OOM command not allowed when used memory > 'maxmemory'.",
            Fault::NoAuth => "NOAUTH Authentication required.",
            Fault::NoProto => "NOPROTO unsupported protocol version",
            Fault::WrongPass => "WRONGPASS invalid username-password pair or user is disabled.",
            Fault::Loading => "LOADING Redis is loading the dataset in memory",
            Fault::Moved(slot, address) => return format!("MOVED {slot} {address}").into(),
            Fault::CrossSlot => "CROSSSLOT Keys in request don't hash to the same slot",
            Fault::NoWritesNow(text) => text,
            Fault::Text(text) => return text.clone(),
            Fault::Client(text) | Fault::Server(text) => return format!("ERR {text}").into(),
            Fault::Unknown => "ERR unknown command",
        };
        text.into()
    }

    /// memcached's line, without its end.
    pub fn memcache(&self) -> Cow<'static, str> {
        match self {
            Fault::Client(text) => format!("CLIENT_ERROR {text}").into(),
            Fault::Server(text) => format!("SERVER_ERROR {text}").into(),
            Fault::Unknown => "ERROR".into(),
            Fault::OutOfMemory => "SERVER_ERROR out of memory storing object".into(),
            Fault::WrongType => "CLIENT_ERROR operation against a key holding the wrong kind of value".into(),
            Fault::NoAuth => "CLIENT_ERROR unauthenticated".into(),
            other => format!("SERVER_ERROR {}", other.resp().split_once(' ').map_or("error", |(_, text)| text)).into(),
        }
    }
}
