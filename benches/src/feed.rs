//! Room: benches. Commands in numbers over one connection: sent in chunks, one on its way while the next is made, their answers
//! counted and not kept. Touches: sockets on loopback.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

// 256 answers of a few bytes fit in a socket's buffer twice: neither side waits for the other to read.
const CHUNK_COMMANDS: usize = 256;
const CHUNK_BYTES: usize = 128 << 10;
// A command on ten million elements takes a server that works on one at a time seconds.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Feed {
    stream: BufReader<TcpStream>,
    out: Vec<u8>,
    /// Commands in `out`, and those of the chunk that is on its way.
    gathered: usize,
    flying: usize,
}

impl Feed {
    pub fn connect(port: u16) -> io::Result<Feed> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let stream = BufReader::with_capacity(256 << 10, stream);
        Ok(Feed { stream, out: Vec::new(), gathered: 0, flying: 0 })
    }

    /// Gathers one command, and sends them as they become many; errors in the answers of earlier ones come up here.
    pub fn ask<W: AsRef<[u8]>>(&mut self, words: &[W]) -> io::Result<()> {
        self.gather(words);
        if self.gathered < CHUNK_COMMANDS && self.out.len() < CHUNK_BYTES {
            return Ok(());
        }
        let before = std::mem::take(&mut self.flying);
        self.push()?;
        let last = std::mem::replace(&mut self.flying, before);
        self.end()?;
        self.flying = last;
        Ok(())
    }

    /// Sends what is gathered and waits for all answers.
    pub fn finish(&mut self) -> io::Result<()> {
        self.push()?;
        self.end()
    }

    /// One command, and its whole answer thrown away; its bytes.
    pub fn once<W: AsRef<[u8]>>(&mut self, words: &[W]) -> io::Result<u64> {
        self.finish()?;
        self.gather(words);
        self.push()?;
        self.flying = 0;
        skip_answer(&mut self.stream)
    }

    /// Adds one command to those that `push` sends, however many they are.
    pub fn gather<W: AsRef<[u8]>>(&mut self, words: &[W]) {
        write_command(words, &mut self.out);
        self.gathered += 1;
    }

    /// Sends what is gathered and does not wait; `end` reads the answers.
    pub fn push(&mut self) -> io::Result<()> {
        self.stream.get_mut().write_all(&self.out)?;
        self.out.clear();
        self.flying += std::mem::take(&mut self.gathered);
        Ok(())
    }

    /// Waits for the answers of what was pushed.
    pub fn end(&mut self) -> io::Result<()> {
        for _ in 0..std::mem::take(&mut self.flying) {
            skip_answer(&mut self.stream)?;
        }
        Ok(())
    }
}

pub fn write_command<W: AsRef<[u8]>>(words: &[W], out: &mut Vec<u8>) {
    // A Vec takes all that is written to it.
    let _ = write!(out, "*{}\r\n", words.len());
    for word in words {
        let word = word.as_ref();
        let _ = write!(out, "${}\r\n", word.len());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// Reads over one answer of any shape in RESP2; its bytes. An error is one here too, in the server's words.
pub fn skip_answer(from: &mut impl BufRead) -> io::Result<u64> {
    let (mut left, mut bytes) = (1u64, 0);
    let mut line = Vec::new();
    while left > 0 {
        left -= 1;
        line.clear();
        bytes += from.read_until(b'\n', &mut line)? as u64;
        let strange = || io::Error::new(io::ErrorKind::InvalidData, format!("not RESP: '{}'", line.escape_ascii()));
        let Some(head) = line.strip_suffix(b"\r\n") else {
            return Err(if line.is_empty() { io::ErrorKind::UnexpectedEof.into() } else { strange() });
        };
        let Some((kind, rest)) = head.split_first() else { return Err(strange()) };
        let rest = String::from_utf8_lossy(rest);
        let number = || rest.parse::<i64>().map_err(|_| strange());
        match kind {
            b'+' | b':' => {}
            b'-' => return Err(io::Error::other(rest.into_owned())),
            b'*' => left += number()?.max(0) as u64,
            b'$' => {
                if let Ok(len) = u64::try_from(number()?) {
                    skip_bytes(from, len + 2)?;
                    bytes += len + 2;
                }
            }
            _ => return Err(strange()),
        }
    }
    Ok(bytes)
}

fn skip_bytes(from: &mut impl BufRead, mut left: u64) -> io::Result<()> {
    while left > 0 {
        let here = from.fill_buf()?.len();
        if here == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let part = left.min(here as u64);
        from.consume(part as usize);
        left -= part;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_skipped_whole() {
        let cases: [(&[u8], Result<u64, &str>); 9] = [
            (b"+OK\r\n", Ok(5)),
            (b":1\r\n", Ok(4)),
            (b"$-1\r\n", Ok(5)),
            (b"$3\r\na\r\n\r\n", Ok(9)),
            (b"*2\r\n*1\r\n:1\r\n$0\r\n\r\n", Ok(18)),
            (b"*0\r\n", Ok(4)),
            (b"-WRONGTYPE x\r\n", Err("WRONGTYPE x")),
            (b"?\r\n", Err("not RESP")),
            (b"$99\r\nab", Err("end of file")),
        ];
        for (bytes, wanted) in cases {
            // A small buffer: what is skipped spans several.
            let mut from = BufReader::with_capacity(3, [bytes, b"+NEXT\r\n"].concat().leak() as &[u8]);
            match (skip_answer(&mut from), wanted) {
                (Ok(found), Ok(wanted)) => {
                    assert_eq!(found, wanted, "{}", bytes.escape_ascii());
                    assert_eq!(skip_answer(&mut from).unwrap(), 7);
                }
                (Err(found), Err(wanted)) => assert!(wanted == "end of file" || found.to_string().contains(wanted)),
                (found, wanted) => panic!("{}: {found:?}, not {wanted:?}", bytes.escape_ascii()),
            }
        }
        assert!(skip_answer(&mut b"".as_slice()).is_err());
    }

    #[test]
    fn a_feed_sends_all_and_hears_of_errors() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // Answers each command of three words with the last one's number; 999 is refused.
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let (mut from, mut to, mut seen) = (BufReader::new(stream.try_clone().unwrap()), stream, 0);
            let mut line = String::new();
            loop {
                for _ in 0..7 {
                    line.clear();
                    if from.read_line(&mut line).unwrap() == 0 {
                        return seen;
                    }
                }
                seen += 1;
                let answer = if line.trim() == "999" { "-NO more\r\n" } else { ":1\r\n" };
                let _ = to.write_all(answer.as_bytes());
            }
        });
        let mut feed = Feed::connect(port).unwrap();
        (0..990).for_each(|n| feed.ask(&["SADD", "s", &n.to_string()]).unwrap());
        feed.finish().unwrap();
        assert_eq!(feed.once(&["SADD", "s", "1"]).unwrap(), 4);
        let refused = feed.once(&["SADD", "s", "999"]).unwrap_err();
        assert_eq!(refused.to_string(), "NO more");
        drop(feed);
        assert_eq!(server.join().unwrap(), 992);
    }
}
