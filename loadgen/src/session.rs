//! Room: loadgen. One connection without its socket: asks into `out`, bytes that came to judged answers.
//! Touches: book, draw, wire, verify, tally.
//!
//! An engine moves the bytes: it writes `out`, hands over what it received, and calls `ask` or `fill` when there is room.
//! What many sessions of a thread share (clock, counts, buffers) lies on the thread's `Desk`.

use crate::book::{Book, Form};
use crate::draw::Draw;
use crate::plan::{Dialect, Phase, Plan, Target, Verb};
use crate::recipe::{Hand, read_stamp};
use crate::tally::Tally;
use crate::verify::{Evidence, Ledger, write_value};
use crate::wire::{self, Answer, Malformed, Reader, Shape};
use std::collections::VecDeque;

/// What the sessions of one thread work on, one after another.
pub struct Desk {
    pub tally: Tally,
    /// Nanoseconds since the start.
    pub now_ns: u64,
    /// Index of the plan's phase at this time.
    pub phase: usize,
    /// Asks that this thread may still make, where they are counted.
    pub budget: Option<u64>,
    /// Answers that point to another node of a cluster.
    pub redirects: Vec<Redirect>,
    /// Of a cluster: the sessions whose asks were answered on other connections.
    pub repaid: Vec<u32>,
    name: Vec<u8>,
    value: Vec<u8>,
    scratch: Vec<u8>,
}

impl Desk {
    pub fn new(tally: Tally, budget: Option<u64>) -> Desk {
        Desk {
            tally,
            now_ns: 0,
            phase: 0,
            budget,
            redirects: Vec::new(),
            repaid: Vec::new(),
            name: Vec::new(),
            value: Vec::new(),
            scratch: Vec::new(),
        }
    }

    fn claim(&mut self) -> bool {
        match &mut self.budget {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}

/// `MOVED` or `ASK`, and the ask that met it.
pub struct Redirect {
    pub ask: bool,
    pub slot: u16,
    pub address: String,
    pub pending: Pending,
}

/// An ask in flight.
pub struct Pending {
    kind: Kind,
    verb: u16,
    shape: Shape,
    key: u64,
    /// The version written, or for a read the floor when it was sent.
    mark: u64,
    /// When the ask was due (open) or made (closed); latency counts from here.
    pub due_ns: u64,
    sent_ns: u64,
    /// Of a cluster: the session that drew it, and its bytes, to be sent again elsewhere.
    pub drawer: u32,
    pub bytes: Option<Box<[u8]>>,
    redirects: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Get,
    Set,
    Delete,
    Command {
        reads: bool,
    },
    /// AUTH, HELLO, SELECT and what a group says first: not measured, and an error ends the run.
    Setup,
    /// CLUSTER SLOTS, ASKING: not measured.
    Aside,
}

impl Kind {
    fn verb(self) -> Verb {
        match self {
            Kind::Get => Verb::Get,
            Kind::Set => Verb::Set,
            Kind::Delete => Verb::Delete,
            _ => Verb::Any,
        }
    }
}

/// What received bytes led to that is not an answer to count.
#[derive(Debug)]
pub enum Trouble {
    Bad(Box<Evidence>),
    /// A new connection was refused what it needs, in the server's words.
    Setup(String),
}

pub struct Session<'p> {
    book: &'p Book<'p>,
    id: usize,
    group: usize,
    dialect: Dialect,
    listens: bool,
    pipeline: usize,
    draw: Draw<'p>,
    reader: Reader,
    finished: bool,
    /// A write was refused, so what was sent last is not what stands there.
    write_refused: bool,
    /// Asked since the connection was made.
    asked: u64,
    setup_left: u32,
    /// When the connection was begun; 0 once it is ready.
    begun_ns: Option<u64>,
    pending: VecDeque<Pending>,
    /// What is to be written to the socket.
    pub out: Vec<u8>,
    /// The beginning of an answer whose rest is to come.
    stash: Vec<u8>,
    /// Answers of asks with `Kind::Aside`, for the engine.
    pub aside: Vec<Vec<u8>>,
}

/// 8 redirects of one ask: its slot is on the move without end.
const REDIRECTS_MOST: u8 = 8;

impl<'p> Session<'p> {
    pub fn new(book: &'p Book<'p>, id: usize, dialect: Dialect) -> Session<'p> {
        let group = book.group_of(id);
        let pipeline = match book.phase {
            // 64: past this populating gains nothing on loopback.
            Phase::Populate => book.plan.pipeline.max(64),
            Phase::Measure => book.plan.pipeline,
        };
        Session {
            book,
            id,
            group,
            dialect,
            listens: book.groups.get(group).is_some_and(|g| g.listens),
            pipeline,
            draw: Draw::new(book, id),
            reader: Reader::new(dialect),
            finished: false,
            write_refused: false,
            asked: 0,
            setup_left: 0,
            begun_ns: None,
            pending: VecDeque::new(),
            out: Vec::new(),
            stash: Vec::new(),
            aside: Vec::new(),
        }
    }

    pub fn id(&self) -> usize {
        self.id
    }

    /// A connection was made: what must be said before the first ask.
    pub fn begin(&mut self, target: &Target, begun_ns: u64, desk: &mut Desk) {
        self.asked = 0;
        self.begun_ns = Some(begun_ns);
        self.stash.clear();
        self.out.clear();
        self.reader = Reader::new(self.dialect);
        debug_assert!(self.pending.is_empty(), "a connection ends when nothing is in flight");
        for words in greeting(target) {
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            if self.dialect.is_resp() {
                wire::draw_command(&mut self.out, &words);
            } else {
                words.iter().for_each(|w| self.out.extend_from_slice(w));
            }
            self.push_setup();
        }
        if let Some(group) = self.book.groups.get(self.group) {
            for compiled in &group.setup {
                self.draw.verb(self.group, 0, desk.now_ns);
                compiled.draw(&mut self.draw, &self.book.filler, &mut desk.scratch, &mut self.out);
                if !self.listens {
                    self.push_setup();
                }
            }
        }
        self.settle(desk);
    }

    fn push_setup(&mut self) {
        self.setup_left += 1;
        self.pending.push_back(pending(Kind::Setup, 0, Shape::Line, 0));
    }

    /// The connection may have become ready: its making is an answer to the verb "connect".
    fn settle(&mut self, desk: &mut Desk) {
        if self.setup_left == 0
            && let Some(begun) = self.begun_ns.take()
            && let Some(verb) = self.book.connect_verb
            && begun > 0
        {
            desk.tally.answered(verb, false, begun, desk.now_ns, &Answer::Done);
        }
    }

    /// How many more asks may be in flight.
    pub fn room(&self) -> usize {
        if self.finished || self.listens || self.setup_left > 0 || self.begun_ns.is_some() || self.is_worn() {
            return 0;
        }
        let most = match self.book.plan.churn {
            Some(churn) if self.book.phase == Phase::Measure => {
                usize::try_from(churn - self.asked).unwrap_or(usize::MAX)
            }
            _ => usize::MAX,
        };
        self.pipeline.saturating_sub(self.pending.len()).min(most)
    }

    /// Nothing will be asked on this connection any more; with `is_quiet` it can be made anew.
    pub fn is_worn(&self) -> bool {
        self.book.plan.churn.is_some_and(|most| self.book.phase == Phase::Measure && self.asked >= most)
    }

    /// Asks no more in this run.
    pub fn is_finished(&self) -> bool {
        self.finished || self.listens
    }

    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Nothing is in flight or waits to be sent.
    pub fn is_quiet(&self) -> bool {
        self.pending.is_empty() && self.out.is_empty()
    }

    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// Made and ready to be asked on.
    pub fn is_ready(&self) -> bool {
        self.setup_left == 0 && self.begun_ns.is_none()
    }

    /// A batch of a closed loop goes out when the last is answered whole: what "pipeline" means to the other programs of
    /// this kind. Whether anything was asked.
    pub fn fill(&mut self, desk: &mut Desk) -> bool {
        if !self.pending.is_empty() {
            return false;
        }
        let mut any = false;
        while self.room() > 0 && self.ask(desk.now_ns, desk) {
            any = true;
        }
        any
    }

    /// Makes one ask; false when there is none to make any more.
    pub fn ask(&mut self, due_ns: u64, desk: &mut Desk) -> bool {
        let mut out = std::mem::take(&mut self.out);
        let drawn = self.draw_ask(due_ns, desk, &mut out);
        self.out = out;
        let Some(pending) = drawn else { return false };
        self.asked += 1;
        self.pending.push_back(pending);
        true
    }

    /// Draws an ask into `out` for whichever connection is to carry it.
    pub fn draw_ask(&mut self, due_ns: u64, desk: &mut Desk, out: &mut Vec<u8>) -> Option<Pending> {
        // An empty draw must not use up the budget, and the budget no draw: populating has no budget.
        if desk.budget == Some(0) {
            self.finished = true;
            return None;
        }
        let Some(verb) = self.draw.verb(self.group, desk.phase, desk.now_ns) else {
            self.finished |= self.book.phase == Phase::Populate;
            return None;
        };
        desk.claim();
        let form =
            self.book.form(verb, self.dialect).expect("a plan is refused where a dialect has no words for a verb");
        let kind = match form.verb {
            Verb::Get => Kind::Get,
            Verb::Set => Kind::Set,
            Verb::Delete => Kind::Delete,
            Verb::Any => Kind::Command { reads: form.reads },
        };
        let mut pending = pending(kind, verb, form.shape, due_ns);
        pending.sent_ns = desk.now_ns;
        pending.drawer = self.id as u32;
        match self.book.ledger {
            Some(ledger) if kind != (Kind::Command { reads: form.reads }) => {
                self.draw_verified(ledger, &mut pending, desk, out);
            }
            _ => self.draw_plain(form, &mut pending, desk, out),
        }
        Some(pending)
    }

    #[inline]
    fn draw_plain(&mut self, form: &Form, pending: &mut Pending, desk: &mut Desk, out: &mut Vec<u8>) {
        let asked = form.compiled.draw(&mut self.draw, &self.book.filler, &mut desk.scratch, out);
        pending.key = self.draw.last_key().unwrap_or(0);
        if let Shape::Values { .. } = form.shape {
            pending.shape = Shape::Values { asked };
        }
    }

    fn draw_verified(&mut self, ledger: &Ledger, pending: &mut Pending, desk: &mut Desk, out: &mut Vec<u8>) {
        let read = pending.kind == Kind::Get;
        self.draw.writes(!read);
        let cluster = self.book.plan.cluster;
        let key = if cluster && !read {
            // There are more own keys than asks in flight: one is free.
            self.draw.free_own_key(|key| ledger.is_settled(key)).unwrap_or_else(|| self.draw.key())
        } else {
            self.draw.key()
        };
        pending.key = key;
        self.book.plan.name_key(key, &mut desk.name);
        if read {
            wire::draw_get(self.dialect, out, &desk.name);
            // Own writes before this on the same connection come first, answered or not.
            let own = !cluster && self.draw.owns(key) && !self.write_refused;
            pending.mark = if own { ledger.sent(key) } else { ledger.floor(key) };
            return;
        }
        let version = ledger.send(key);
        pending.mark = version;
        if self.book.plan.is_delete(key, version) {
            pending.kind = Kind::Delete;
            wire::draw_delete(self.dialect, out, &desk.name);
        } else {
            pending.kind = Kind::Set;
            desk.value.clear();
            write_value(self.book.plan, key, version, &mut desk.value);
            let seconds = self.book.plan.ttl.as_ref().map(|t| t.pick(self.draw.chance().number()));
            wire::draw_set_for(self.dialect, out, &desk.name, 0, seconds, &desk.value);
        }
    }

    /// Takes an ask that was drawn elsewhere, or is sent again.
    pub fn carry(&mut self, pending: Pending) {
        let bytes = pending.bytes.as_deref().expect("an ask that is carried has its bytes");
        self.out.extend_from_slice(bytes);
        self.asked += 1;
        self.pending.push_back(pending);
    }

    /// Sends a command that is no part of the load; its answer comes to `aside`.
    pub fn ask_aside(&mut self, words: &[&[u8]]) {
        wire::draw_command(&mut self.out, words);
        self.pending.push_back(pending(Kind::Aside, 0, Shape::Line, 0));
    }

    /// Reads the answers that these bytes complete. How many asks were answered.
    pub fn received(&mut self, bytes: &[u8], desk: &mut Desk) -> Result<usize, Trouble> {
        desk.tally.bytes_in += bytes.len() as u64;
        let before = self.pending.len();
        if self.stash.is_empty() {
            let used = self.read(bytes, desk)?;
            self.stash.extend_from_slice(&bytes[used..]);
        } else {
            let mut stash = std::mem::take(&mut self.stash);
            stash.extend_from_slice(bytes);
            let used = self.read(&stash, desk)?;
            stash.drain(..used);
            self.stash = stash;
        }
        // 64 KiB: what one large answer needed is not kept by each of many connections.
        if self.stash.is_empty() && self.stash.capacity() > 64 << 10 {
            self.stash = Vec::new();
        }
        Ok(before - self.pending.len())
    }

    fn read(&mut self, bytes: &[u8], desk: &mut Desk) -> Result<usize, Trouble> {
        if self.listens && self.pending.is_empty() {
            return self.read_messages(bytes, desk);
        }
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let Some(front) = self.pending.front() else {
                return match self.reader.next(Verb::Any, b"", rest) {
                    // A server may speak unasked in RESP3.
                    Ok(Some((Answer::Push(_), used))) if self.dialect == Dialect::Resp3 => {
                        at += used;
                        continue;
                    }
                    Ok(None) if self.dialect == Dialect::Resp3 && rest[0] == b'>' => Ok(at),
                    // What Redis says to connections too many, or from where it wants none, and closes.
                    Ok(Some((Answer::Refused(text), _))) => Err(Trouble::Setup(text.escape_ascii().to_string())),
                    _ => {
                        let shown = rest[..rest.len().min(160)].escape_ascii().to_string();
                        desk.name.clear();
                        Err(self.evidence("bytes that answer nothing".to_string(), desk, shown))
                    }
                };
            };
            if self.book.ledger.is_some() && front.kind == Kind::Get {
                self.book.plan.name_key(front.key, &mut desk.name);
            } else {
                desk.name.clear();
            }
            match self.reader.next_shaped(front.kind.verb(), front.shape, &desk.name, rest) {
                Ok(None) => return Ok(at),
                Ok(Some((Answer::Push(_), used))) => at += used,
                Ok(Some((answer, used))) => {
                    self.take(&answer, &rest[..used], desk)?;
                    at += used;
                    if self.listens && self.pending.is_empty() {
                        return self.read_messages(&bytes[at..], desk).map(|used| at + used);
                    }
                }
                Err(Malformed(why)) => {
                    let shown = rest[..rest.len().min(160)].escape_ascii().to_string();
                    return Err(self.evidence(format!("the answer breaks the protocol: {why}"), desk, shown));
                }
            }
        }
        Ok(at)
    }

    #[inline]
    fn take(&mut self, answer: &Answer, whole: &[u8], desk: &mut Desk) -> Result<(), Trouble> {
        let front = self.pending.front().expect("the caller has looked at it");
        match front.kind {
            Kind::Setup => {
                if let Answer::Refused(text) = answer {
                    return Err(Trouble::Setup(text.escape_ascii().to_string()));
                }
                self.setup_left -= 1;
                self.pending.pop_front();
                self.settle(desk);
                return Ok(());
            }
            Kind::Aside => {
                self.aside.push(whole.to_vec());
                self.pending.pop_front();
                return Ok(());
            }
            _ => {}
        }
        if let Answer::Refused(text) = answer
            && self.book.plan.cluster
            && front.redirects < REDIRECTS_MOST
            && let Some((ask, slot, address)) = redirection(text)
        {
            let mut pending = self.pending.pop_front().expect("looked at above");
            pending.redirects += 1;
            desk.redirects.push(Redirect { ask, slot, address, pending });
            return Ok(());
        }
        if let Some(ledger) = self.book.ledger
            && let Err((what, got)) = judge(self.book.plan, ledger, front, answer)
        {
            return Err(self.evidence(what, desk, got));
        }
        if let Some(ledger) = self.book.ledger
            && matches!(front.kind, Kind::Set | Kind::Delete)
        {
            ledger.answered(front.key, front.mark);
        }
        let reads = match front.kind {
            Kind::Get => true,
            Kind::Command { reads } => reads,
            _ => false,
        };
        self.write_refused |= front.kind != Kind::Get && matches!(answer, Answer::Refused(_));
        desk.tally.answered(front.verb, reads, front.due_ns, desk.now_ns, answer);
        if self.book.plan.cluster {
            desk.repaid.push(front.drawer);
        }
        self.pending.pop_front();
        Ok(())
    }

    fn read_messages(&mut self, bytes: &[u8], desk: &mut Desk) -> Result<usize, Trouble> {
        let verb = self.book.message_verb.expect("a plan with a group that listens has this verb");
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            if rest[0] == b'-' {
                return Err(Trouble::Setup(rest[..rest.len().min(160)].escape_ascii().to_string()));
            }
            match wire::next_message(rest) {
                Ok(None) => return Ok(at),
                Ok(Some((message, used))) => {
                    if let Some(sent_ns) = read_stamp(message) {
                        desk.tally.answered(verb, false, sent_ns, desk.now_ns, &Answer::Done);
                    }
                    at += used;
                }
                Err(Malformed(why)) => {
                    let shown = rest[..rest.len().min(160)].escape_ascii().to_string();
                    return Err(self.evidence(format!("the message breaks the protocol: {why}"), desk, shown));
                }
            }
        }
        Ok(at)
    }

    fn evidence(&self, what: String, desk: &mut Desk, got: String) -> Trouble {
        let pending = self.pending.front();
        if let Some(pending) = pending {
            self.book.plan.name_key(pending.key, &mut desk.name);
        }
        Trouble::Bad(Box::new(Evidence {
            what,
            target: self.book.plan.target_of(self.id).to_string(),
            connection: self.id,
            key: desk.name.escape_ascii().to_string(),
            sent_at_ns: pending.map_or(0, |p| p.sent_ns),
            answered_at_ns: desk.now_ns,
            floor: pending.map_or(0, |p| p.mark),
            sent: pending.zip(self.book.ledger).map_or(0, |(p, l)| l.sent(p.key)),
            got,
        }))
    }

    /// Counts what was asked and never answered.
    pub fn abandon(&mut self, tally: &mut Tally) {
        tally.unanswered += self.pending.iter().filter(|p| !matches!(p.kind, Kind::Setup | Kind::Aside)).count() as u64;
    }
}

fn pending(kind: Kind, verb: u16, shape: Shape, due_ns: u64) -> Pending {
    Pending { kind, verb, shape, key: 0, mark: 0, due_ns, sent_ns: 0, drawer: 0, bytes: None, redirects: 0 }
}

impl Pending {
    pub fn key(&self) -> u64 {
        self.key
    }
}

/// What a new connection says first: RESP words, or memcached bytes as one word.
pub fn greeting(target: &Target) -> Vec<Vec<Vec<u8>>> {
    let bytes = |t: &str| t.as_bytes().to_vec();
    let mut said = Vec::new();
    let user = target.user.as_deref();
    match (target.dialect, &target.password) {
        (Dialect::Resp2, Some(password)) => {
            let mut words = vec![bytes("AUTH")];
            words.extend(user.map(bytes));
            words.push(bytes(password));
            said.push(words);
        }
        (Dialect::Resp3, Some(password)) => {
            said.push(vec![
                bytes("HELLO"),
                bytes("3"),
                bytes("AUTH"),
                bytes(user.unwrap_or("default")),
                bytes(password),
            ]);
        }
        (Dialect::Resp3, None) => said.push(vec![bytes("HELLO"), bytes("3")]),
        (Dialect::Memcached | Dialect::Meta, Some(password)) => {
            // protocol.txt, "Authentication": the first command is a set whose value is user and password.
            let login = format!("{} {password}", user.unwrap_or(""));
            said.push(vec![bytes(&format!("set auth 0 0 {}\r\n{login}\r\n", login.len()))]);
        }
        (_, None) => {}
    }
    if target.database != 0 {
        said.push(vec![bytes("SELECT"), bytes(&target.database.to_string())]);
    }
    said
}

/// `MOVED 3999 127.0.0.1:6381` or `ASK ...`.
fn redirection(text: &[u8]) -> Option<(bool, u16, String)> {
    let text = std::str::from_utf8(text).ok()?;
    let mut words = text.split(' ');
    let ask = match words.next()? {
        "MOVED" => false,
        "ASK" => true,
        _ => return None,
    };
    Some((ask, words.next()?.parse().ok()?, words.next()?.to_string()))
}

fn judge(plan: &Plan, ledger: &Ledger, ask: &Pending, answer: &Answer) -> Result<(), (String, String)> {
    let got = match (ask.kind, answer) {
        (Kind::Get, Answer::Value { data, .. }) => Some(*data),
        (Kind::Get, Answer::Missing) => None,
        (Kind::Set | Kind::Delete, Answer::Done | Answer::Missing) => {
            ledger.acknowledge(ask.key, ask.mark);
            return Ok(());
        }
        _ => return Ok(()),
    };
    ledger.judge(plan, ask.key, ask.mark, got).map_err(|flaw| (flaw.told().to_string(), Evidence::describe(got)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::small;

    fn desk(book: &Book) -> Desk {
        Desk::new(Tally::new(book.names.len(), book.warmup_ns), None)
    }

    /// The answers of a server that acknowledges writes and holds nothing, and the kind of the last ask.
    fn forget_all(session: &mut Session) -> (Kind, Vec<u8>) {
        session.out.clear();
        let answer = |p: &Pending| if p.kind == Kind::Get { "$-1\r\n" } else { "+OK\r\n" };
        let answers: String = session.pending.iter().map(answer).collect();
        (session.pending.back().expect("something was asked").kind, answers.into_bytes())
    }

    #[test]
    fn a_lost_write_and_an_extra_answer_are_found() {
        let mut plan = small();
        (plan.connections, plan.keys) = (1, 1);
        let ledger = Ledger::new(1);
        let book = Book::new(&plan, Phase::Measure, Some(&ledger));
        let mut session = Session::new(&book, 0, Dialect::Resp2);
        let mut desk = desk(&book);
        session.begin(&plan.targets[0], 0, &mut desk);
        let mut wrote = false;
        for _ in 0..1000 {
            assert!(session.fill(&mut desk));
            let (kind, answers) = forget_all(&mut session);
            let got = session.received(&answers, &mut desk);
            if wrote && kind == Kind::Get {
                assert!(matches!(got, Err(Trouble::Bad(e)) if e.what.starts_with("lost")));
                let mut session = Session::new(&book, 0, Dialect::Resp2);
                let extra = session.received(b"+OK\r\n", &mut desk);
                assert!(matches!(extra, Err(Trouble::Bad(e)) if e.what.contains("answer nothing")));
                return;
            }
            assert!(got.is_ok());
            wrote |= kind == Kind::Set;
        }
        panic!("a thousand even chances gave no read after a write");
    }

    #[test]
    fn a_connection_asks_only_when_its_setup_is_answered() {
        let mut plan = small();
        plan.targets = vec![Target::parse("resp3://u:p@h:1/2").expect("valid")];
        let book = Book::new(&plan, Phase::Measure, None);
        let mut session = Session::new(&book, 0, Dialect::Resp3);
        let mut desk = desk(&book);
        session.begin(&plan.targets[0], 0, &mut desk);
        let said = String::from_utf8(std::mem::take(&mut session.out)).expect("text").replace("\r\n", "|");
        assert_eq!(said, "*5|$5|HELLO|$1|3|$4|AUTH|$1|u|$1|p|*2|$6|SELECT|$1|2|");
        assert!(!session.fill(&mut desk));
        assert!(session.received(b"%1\r\n+server\r\n+x\r\n+O", &mut desk).is_ok());
        assert_eq!(session.room(), 0);
        assert!(session.received(b"K\r\n>2\r\n+a\r\n+b\r\n", &mut desk).is_ok());
        assert!(session.fill(&mut desk));
        let mut refused = Session::new(&book, 0, Dialect::Resp3);
        refused.begin(&plan.targets[0], 0, &mut desk);
        let told = refused.received(b"-WRONGPASS no\r\n", &mut desk);
        assert!(matches!(told, Err(Trouble::Setup(text)) if text == "WRONGPASS no"));
    }

    #[test]
    fn a_worn_connection_asks_no_more() {
        let mut plan = small();
        (plan.churn, plan.pipeline, plan.verify) = (Some(3), 2, false);
        let book = Book::new(&plan, Phase::Measure, None);
        let mut session = Session::new(&book, 0, Dialect::Resp2);
        let mut desk = desk(&book);
        session.begin(&plan.targets[0], 5, &mut desk);
        for asked in [2, 1] {
            assert!(session.fill(&mut desk));
            assert_eq!(session.in_flight(), asked);
            let (_, answers) = forget_all(&mut session);
            assert_eq!(session.received(&answers, &mut desk).ok(), Some(asked));
        }
        assert!(session.is_worn() && session.is_quiet() && !session.fill(&mut desk));
    }

    #[test]
    fn redirections_are_read() {
        assert_eq!(redirection(b"MOVED 3999 127.0.0.1:6381"), Some((false, 3999, "127.0.0.1:6381".into())));
        assert_eq!(redirection(b"ASK 1 h:2"), Some((true, 1, "h:2".into())));
        assert_eq!(redirection(b"ERR MOVED 1 h:2"), None);
        assert_eq!(redirection(b"MOVED x h:2"), None);
    }
}
