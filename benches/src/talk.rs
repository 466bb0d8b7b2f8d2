//! Room: benches. A conversation with a server, one question at a time: what is asked beside the load. Its own few lines of
//! both protocols, because the load's are made for the commands it measures. Touches: sockets on loopback.

use loadgen::plan::{Dialect, Place, Target};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

pub struct Talk {
    dialect: Dialect,
    stream: BufReader<Box<dyn Stream>>,
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

/// What RESP2 can answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Text(String),
    Int(i64),
    Nothing,
    List(Vec<Answer>),
    Refused(String),
}

/// Longer than any answer that is asked for here; more means that the server is not what it seems.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
// SAVE-like commands may take as long as a snapshot does.
const PATIENCE: Duration = Duration::from_secs(60);

impl Talk {
    pub fn connect(dialect: Dialect, port: u16) -> io::Result<Talk> {
        let place = Place::Tcp(format!("127.0.0.1:{port}"));
        Talk::at(dialect, &place)
    }

    /// To a server wherever it is, which asks for no password.
    pub fn to(target: &Target) -> io::Result<Talk> {
        Talk::at(target.dialect, &target.place)
    }

    fn at(dialect: Dialect, place: &Place) -> io::Result<Talk> {
        let stream: Box<dyn Stream> = match place {
            Place::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Box::new(stream)
            }
            Place::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Box::new(stream)
            }
        };
        // 512: thousands of them may be open.
        Ok(Talk { dialect, stream: BufReader::with_capacity(512, stream) })
    }

    /// Whether it serves already: a server that is loading answers, and refuses.
    pub fn is_up(&mut self) -> io::Result<bool> {
        if !self.dialect.is_resp() {
            return Ok(self.memcached("version")?.first().is_some_and(|line| line.starts_with("VERSION ")));
        }
        Ok(self.resp(&["PING"])? == Answer::Text("PONG".into()))
    }

    /// Asks one command in RESP.
    pub fn resp(&mut self, words: &[&str]) -> io::Result<Answer> {
        let mut ask = format!("*{}\r\n", words.len());
        for word in words {
            ask.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.stream.get_mut().write_all(ask.as_bytes())?;
        self.read_answer(0)
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        (&mut self.stream).take(ANSWER_BYTES_MAX).read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    fn read_answer(&mut self, depth: usize) -> io::Result<Answer> {
        let line = self.read_line()?;
        let strange = || io::Error::new(io::ErrorKind::InvalidData, format!("not RESP: '{line}'"));
        let rest = line.get(1..).ok_or_else(strange)?;
        let number = || rest.parse::<i64>().map_err(|_| strange());
        match line.as_bytes()[0] {
            b'+' => Ok(Answer::Text(rest.to_string())),
            b'-' => Ok(Answer::Refused(rest.to_string())),
            b':' => Ok(Answer::Int(number()?)),
            b'$' | b'*' if number()? < 0 => Ok(Answer::Nothing),
            b'$' if (number()? as u64) < ANSWER_BYTES_MAX => {
                let mut bytes = vec![0; number()? as usize + 2];
                self.stream.read_exact(&mut bytes)?;
                bytes.truncate(bytes.len() - 2);
                Ok(Answer::Text(String::from_utf8_lossy(&bytes).into_owned()))
            }
            b'*' if depth < 8 => {
                (0..number()?).map(|_| self.read_answer(depth + 1)).collect::<io::Result<_>>().map(Answer::List)
            }
            _ => Err(strange()),
        }
    }

    /// Asks one line in memcached's text protocol; the answer's lines, END not among them.
    pub fn memcached(&mut self, line: &str) -> io::Result<Vec<String>> {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes())?;
        let mut lines = Vec::new();
        loop {
            let line = self.read_line()?;
            if line == "END" {
                return Ok(lines);
            }
            let goes_on = line.starts_with("STAT ");
            lines.push(line);
            if !goes_on {
                return Ok(lines);
            }
        }
    }

    /// The field of INFO or of `stats` called `name`.
    pub fn fact(&mut self, section: &str, name: &str) -> io::Result<Option<String>> {
        if !self.dialect.is_resp() {
            let start = format!("STAT {name} ");
            return Ok(self.memcached("stats")?.iter().find_map(|l| l.strip_prefix(&start).map(str::to_string)));
        }
        let Answer::Text(info) = self.resp(&["INFO", section])? else { return Ok(None) };
        let start = format!("{name}:");
        Ok(info.lines().find_map(|l| l.strip_prefix(&start).map(str::to_string)))
    }

    /// How many keys the server says it has.
    pub fn keys(&mut self) -> Result<u64, String> {
        if !self.dialect.is_resp() {
            let items = self.fact("", "curr_items").map_err(|e| e.to_string())?;
            return items.and_then(|n| n.parse().ok()).ok_or_else(|| "stats tells no curr_items".into());
        }
        match self.resp(&["DBSIZE"]).map_err(|e| e.to_string())? {
            Answer::Int(keys) => Ok(keys as u64),
            other => Err(format!("DBSIZE was answered with {other:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A server that says `bytes` to whatever it is asked.
    fn saying(bytes: &'static [u8], dialect: Dialect) -> Talk {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut ask = [0; 1024];
            let _ = stream.read(&mut ask).unwrap();
            stream.write_all(bytes).unwrap();
        });
        Talk::connect(dialect, port).unwrap()
    }

    #[test]
    fn answers_are_read() {
        let text = |t: &str| Answer::Text(t.into());
        let cases: [(&[u8], Answer); 6] = [
            (b"+PONG\r\n", text("PONG")),
            (b"-LOADING not yet\r\n", Answer::Refused("LOADING not yet".into())),
            (b":-7\r\n", Answer::Int(-7)),
            (b"$-1\r\n", Answer::Nothing),
            (b"$5\r\na\r\nbc\r\n", text("a\r\nbc")),
            (b"*2\r\n:1\r\n*1\r\n$1\r\nx\r\n", Answer::List(vec![Answer::Int(1), Answer::List(vec![text("x")])])),
        ];
        for (bytes, answer) in cases {
            assert_eq!(saying(bytes, Dialect::Resp2).resp(&["X"]).unwrap(), answer, "{}", bytes.escape_ascii());
        }
        for bad in [b"?\r\n".as_slice(), b"$9\r\nx\r\n", b"", b"\r\n", b":x\r\n", b"$99999999999999\r\n"] {
            assert!(saying(bad, Dialect::Resp2).resp(&["X"]).is_err(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn facts_are_found_in_both_dialects() {
        let mut talk = saying(b"$20\r\n# A\r\nother:1\r\nkeys:7\r\n", Dialect::Resp2);
        assert_eq!(talk.fact("all", "keys").unwrap().as_deref(), Some("7"));
        let mut talk = saying(b"STAT pid 4\r\nSTAT curr_items 12\r\nEND\r\n", Dialect::Memcached);
        assert_eq!(talk.keys().unwrap(), 12);
        assert!(saying(b"VERSION 1.6\r\n", Dialect::Memcached).is_up().unwrap());
        assert!(!saying(b"-LOADING\r\n", Dialect::Resp2).is_up().unwrap());
    }
}
