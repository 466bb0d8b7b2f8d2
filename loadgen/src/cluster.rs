//! Room: loadgen. Which node of a cluster has which slot. Touches: wire (for the replies' framing), dial (addresses).
//!
//! Source: redis.io, "Redis cluster specification" and "CLUSTER SLOTS".

use crate::dial::Address;
use std::net::ToSocketAddrs;

pub const SLOTS: usize = 16384;

/// CRC16 of XMODEM: polynomial 0x1021, start 0, nothing reflected.
const CRC: [u16; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut crc = (at as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { crc << 1 ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
};

/// The slot of a key: by what stands between the first `{` and the next `}` if that is anything.
pub fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|b| *b == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        rest.iter().position(|b| *b == b'}').filter(|len| *len > 0).map(|len| &rest[..len])
    });
    let crc = tag.unwrap_or(key).iter().fold(0u16, |crc, b| crc << 8 ^ CRC[usize::from((crc >> 8) as u8 ^ b)]);
    crc % SLOTS as u16
}

/// Slots by node, as a server told them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots {
    /// Primaries, each once.
    pub nodes: Vec<String>,
    /// First and last slot, and the index of the node.
    pub ranges: Vec<(u16, u16, usize)>,
}

impl Slots {
    /// Reads the answer to CLUSTER SLOTS. A node without a host is the one that was asked.
    pub fn read(reply: &[u8], asked_host: &str) -> Result<Slots, String> {
        let mut rest = reply;
        let told = read_value(&mut rest, 0).ok_or_else(|| format!("not understood: {}", shown(reply)))?;
        let Value::Many(ranges) = told else { return Err(shown(reply)) };
        let mut slots = Slots { nodes: Vec::new(), ranges: Vec::new() };
        for range in &ranges {
            let Value::Many(range) = range else { return Err(shown(reply)) };
            let [Value::Number(from), Value::Number(to), Value::Many(primary), ..] = range.as_slice() else {
                return Err(shown(reply));
            };
            let [host, Value::Number(port), ..] = primary.as_slice() else { return Err(shown(reply)) };
            let host = match host {
                Value::Text(host) if !host.is_empty() && host != "?" => host.as_str(),
                _ => asked_host,
            };
            let valid = |slot: &i64| u16::try_from(*slot).ok().filter(|s| usize::from(*s) < SLOTS);
            let (Some(from), Some(to)) = (valid(from), valid(to)) else { return Err(shown(reply)) };
            let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
            let node = slots.nodes.iter().position(|n| *n == address).unwrap_or_else(|| {
                slots.nodes.push(address);
                slots.nodes.len() - 1
            });
            slots.ranges.push((from, to, node));
        }
        if slots.ranges.is_empty() { Err("it serves no slots".into()) } else { Ok(slots) }
    }
}

fn shown(reply: &[u8]) -> String {
    reply[..reply.len().min(160)].escape_ascii().to_string()
}

/// `host:port` to an address; a host left out is the one that was asked.
pub fn resolve(address: &str, asked_host: &str) -> Result<Address, String> {
    let (host, port) = address.rsplit_once(':').ok_or_else(|| format!("'{address}' is no address"))?;
    let host = if host.is_empty() { asked_host } else { host };
    // A MOVED tells an IPv6 address bare.
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let port: u16 = port.parse().map_err(|_| format!("'{address}' has no port"))?;
    let mut found = (bare, port).to_socket_addrs().map_err(|e| format!("{address}: {e}"))?;
    found.next().map(Address::Tcp).ok_or_else(|| format!("{address} has no address"))
}

enum Value {
    Number(i64),
    Text(String),
    Many(Vec<Value>),
    Other,
}

fn read_value(rest: &mut &[u8], depth: usize) -> Option<Value> {
    // 6: CLUSTER SLOTS nests four deep.
    if depth > 6 {
        return None;
    }
    let end = rest.windows(2).position(|w| w == b"\r\n")?;
    let (line, more) = (&rest[..end], &rest[end + 2..]);
    *rest = more;
    let (kind, body) = line.split_first()?;
    let number = || std::str::from_utf8(body).ok()?.parse::<i64>().ok();
    Some(match kind {
        b':' => Value::Number(number()?),
        b'+' => Value::Text(String::from_utf8_lossy(body).into_owned()),
        b'$' => match usize::try_from(number()?) {
            Ok(len) => {
                let text = String::from_utf8_lossy(rest.get(..len)?).into_owned();
                *rest = rest.get(len + 2..)?;
                Value::Text(text)
            }
            Err(_) => Value::Other,
        },
        b'_' => Value::Other,
        b'*' | b'~' => {
            let count = usize::try_from(number()?).unwrap_or(0);
            let mut all = Vec::new();
            for _ in 0..count {
                all.push(read_value(rest, depth + 1)?);
            }
            Value::Many(all)
        }
        b'%' => {
            for _ in 0..usize::try_from(number()?).ok()?.checked_mul(2)? {
                read_value(rest, depth + 1)?;
            }
            Value::Other
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        // The specification's own examples, and what CLUSTER KEYSLOT of redis-server tells.
        let cases: [(&[u8], u16); 6] = [
            (b"123456789", 0x31c3),
            (b"foo", 12182),
            (b"{user1000}.following", 3443),
            (b"foo{}{bar}", 8363),
            (b"foo{{bar}}zap", slot_of(b"{bar")),
            (b"", 0),
        ];
        for (key, slot) in cases {
            assert_eq!(slot_of(key), slot, "{}", key.escape_ascii());
        }
        assert_eq!(slot_of(b"{user1000}.following"), slot_of(b"user1000"));
    }

    #[test]
    fn cluster_slots_is_read() {
        let reply = b"*2\r\n*4\r\n:0\r\n:5460\r\n*4\r\n$9\r\n127.0.0.1\r\n:7001\r\n$2\r\nid\r\n*0\r\n*3\r\n$9\r\n127.0.0.1\r\n:7004\r\n$1\r\nx\r\n\
            *3\r\n:5461\r\n:16383\r\n*4\r\n$0\r\n\r\n:7002\r\n$2\r\nid\r\n*2\r\n$8\r\nhostname\r\n$1\r\nh\r\n";
        let slots = Slots::read(reply, "10.0.0.9").expect("sound");
        assert_eq!(slots.nodes, ["127.0.0.1:7001", "10.0.0.9:7002"]);
        assert_eq!(slots.ranges, [(0, 5460, 0), (5461, 16383, 1)]);
        for reply in [
            &b"-ERR This instance has cluster support disabled\r\n"[..],
            b"*0\r\n",
            b"*1\r\n:1\r\n",
            b"*1\r\n*3\r\n:0\r\n:99999\r\n*2\r\n$1\r\nh\r\n:1\r\n",
        ] {
            assert!(Slots::read(reply, "h").is_err(), "{}", reply.escape_ascii());
        }
    }

    #[test]
    fn addresses_of_redirects_are_resolved() {
        let told = |a: &str| resolve(a, "127.0.0.9").map(|a| format!("{a:?}"));
        assert_eq!(told("127.0.0.1:7001").as_deref(), Ok("Tcp(127.0.0.1:7001)"));
        assert_eq!(told(":7001").as_deref(), Ok("Tcp(127.0.0.9:7001)"));
        assert_eq!(told("::1:7001").as_deref(), Ok("Tcp([::1]:7001)"));
        assert!(told("7001").is_err() && told("h:x").is_err());
    }
}
