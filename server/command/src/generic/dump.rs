//! Room: command. Values as bytes: DUMP gives them, RESTORE makes a key of them.
//! Touches: base, store.
//! Source of every order of checks: dumpCommand and restoreCommand in cluster.c of Redis 7.2.

use crate::context::{Class, Ctx};
use crate::keep::{lookup, missed, or_fault};
use crate::row::Walk;
use crate::together::PLACED_A_SLICE;
use base::number::parse_i64;
use base::{Args, Fault, Reply};
use store::rdb::{Checking, Dumping, Placed, Placing, value_of};

/// Payloads up to this are restored at once.
const AT_ONCE_BYTES: usize = 1 << 13;

/// DUMP key
pub fn dump(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    match ctx.store.read(ctx.db, &args[1], ctx.now_ms, !ctx.no_touch) {
        Some(entry) if entry.is_large() => {
            let dumping = Some(entry.begin_dump(true));
            ctx.walk = Some(Box::new(Dump { dumping }));
        }
        Some(entry) => reply.shared(entry.dump().into()),
        None => {
            missed(ctx, &args[1]);
            reply.null();
        }
    }
}

/// DUMP of a large value.
struct Dump {
    dumping: Option<Dumping>,
}

impl Walk for Dump {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        let entry = ctx.store.glance(ctx.db, &args[1], ctx.now_ms).expect("nobody changes it meanwhile");
        if !self.dumping.as_mut().is_some_and(|dumping| dumping.step(entry)) {
            return false;
        }
        let dumping = self.dumping.take().expect("it was there above");
        reply.shared_parts(dumping.into_payload());
        true
    }
}

/// The words behind RESTORE's payload.
#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
    idle_seconds: Option<u64>,
    frequency: Option<u8>,
}

impl Options {
    fn parse(words: Args<'_>) -> Result<Options, Fault> {
        let mut o = Options::default();
        let mut i = 0;
        while i < words.len() {
            let next = words.get(i + 1);
            let number = |word: &[u8]| parse_i64(word).ok_or(Fault::NotInteger);
            match next {
                _ if words.is(i, "REPLACE") => o.replace = true,
                _ if words.is(i, "ABSTTL") => o.absolute = true,
                Some(word) if words.is(i, "IDLETIME") && o.frequency.is_none() => {
                    let seconds = u64::try_from(number(word)?);
                    o.idle_seconds = Some(seconds.map_err(|_| Fault::err("Invalid IDLETIME value, must be >= 0"))?);
                    i += 1;
                }
                Some(word) if words.is(i, "FREQ") && o.idle_seconds.is_none() => {
                    let frequency = u8::try_from(number(word)?);
                    o.frequency =
                        Some(frequency.map_err(|_| Fault::err("Invalid FREQ value, must be >= 0 and <= 255"))?);
                    i += 1;
                }
                _ => return Err(Fault::Syntax),
            }
            i += 1;
        }
        Ok(o)
    }
}

/// RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]
pub fn restore(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) {
    let options = or_fault!(Options::parse(args.from(4)), reply);
    let (key, now_ms) = (&args[1], ctx.now_ms);
    let there = if options.replace { false } else { lookup(ctx, key).entry().is_some() };
    if there {
        return reply.fault(&Fault::Text("BUSYKEY Target key name already exists.".into()));
    }
    let ttl = or_fault!(parse_i64(&args[2]).ok_or(Fault::NotInteger), reply);
    let ttl = or_fault!(u64::try_from(ttl).map_err(|_| Fault::err("Invalid TTL value, must be >= 0")), reply);
    let deadline = match ttl {
        0 => None,
        at if options.absolute => Some(at),
        after => Some(after.saturating_add(now_ms).min(i64::MAX as u64)),
    };
    let payload = &args[3];
    let replaced = ctx.store.cell(ctx.db, key, now_ms).entry().is_some();
    let mut restoring = Restoring { options, deadline, replaced, checking: Checking::begin(payload), placing: None };
    if payload.len() > AT_ONCE_BYTES {
        ctx.walk = Some(Box::new(restoring));
    } else {
        while !restoring.go_on(ctx, args, usize::MAX, reply) {}
    }
}

/// RESTORE at work.
struct Restoring {
    options: Options,
    deadline: Option<u64>,
    /// There was something at the key.
    replaced: bool,
    /// None: the payload is none.
    checking: Option<Checking>,
    /// Once the payload was found good.
    placing: Option<Placing>,
}

impl Restoring {
    /// Goes on with about `count` elements. True when all is done, and the reply spoken.
    fn go_on(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, count: usize, reply: &mut dyn Reply) -> bool {
        let (key, payload) = (&args[1], &args[3]);
        let Some(placing) = &mut self.placing else {
            match self.checking.as_mut().map_or(Some(false), |checking| checking.step(payload)) {
                None => return false,
                Some(true) => self.placing = Some(Placing::new(Placed::ByThresholds)),
                Some(false) => {
                    reply.fault(&Fault::err("DUMP payload version or checksum are wrong"));
                    return true;
                }
            }
            return false;
        };
        match placing.step(ctx.store, (ctx.db, key), ctx.now_ms, value_of(payload), count) {
            Ok(false) => return false,
            Ok(true) => self.finish(ctx, key, reply),
            Err(_) => reply.fault(&Fault::err("Bad data format")),
        }
        true
    }

    /// The value is at its key.
    fn finish(&self, ctx: &mut Ctx<'_>, key: &[u8], reply: &mut dyn Reply) {
        let Restoring { options, deadline, replaced, .. } = self;
        let mut cell = ctx.store.cell(ctx.db, key, ctx.now_ms);
        if deadline.is_some_and(|at| at <= ctx.now_ms) {
            cell.remove();
            if *replaced {
                ctx.notify(Class::GENERIC, "del", key);
            }
            return reply.ok();
        }
        let kind = cell.kind();
        if let Some(kind) = kind {
            cell.set_deadline(*deadline);
            if let Some(seconds) = options.idle_seconds {
                cell.set_idle_ms(seconds.saturating_mul(1000));
            }
            if let Some(frequency) = options.frequency {
                cell.set_frequency(frequency);
            }
            ctx.ready(kind, key);
            ctx.notify(Class::NEW, "new", key);
        }
        ctx.notify(Class::GENERIC, "restore", key);
        reply.ok();
    }
}

impl Walk for Restoring {
    fn step(&mut self, ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut dyn Reply) -> bool {
        self.go_on(ctx, args, PLACED_A_SLICE, reply)
    }
}
