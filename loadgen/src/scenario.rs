//! Room: loadgen. Scenario files: TOML to a plan, and the scenarios that are built in. Touches: plan, recipe, objective.

use crate::objective::{Goal, duration, number};
use crate::plan::{Arrivals, Ask, Commands, Group, KeyChoice, Pace, PhasePlan, Plan, Spread, VerbPlan};
use crate::recipe::Recipe;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A scenario that torc-load brings along.
pub struct BuiltIn {
    pub name: &'static str,
    pub text: &'static str,
}

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(BuiltIn { name: $name, text: include_str!(concat!("../scenarios/", $name, ".toml")) }),*]
    };
}

pub const BUILT_IN: &[BuiltIn] = built_in!(
    "cache",
    "session-store",
    "counters",
    "queue",
    "leaderboard",
    "pubsub",
    "large-values",
    "ttl-churn",
    "hot-key",
    "ycsb-a",
    "ycsb-b",
    "ycsb-c",
    "ycsb-d",
    "ycsb-e",
    "ycsb-f",
    "twitter-cluster4",
    "twitter-cluster6",
    "twitter-cluster12",
    "twitter-cluster14",
    "twitter-cluster15",
    "twitter-cluster19",
    "twitter-cluster23",
    "twitter-cluster31",
    "meta-etc",
    "meta-usr",
    "meta-zippydb",
    "daily-wave",
);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: String,
    /// For people: what it is, and where the figures come from.
    about: Option<String>,
    source: Option<String>,
    keys: Option<u64>,
    key_prefix: Option<String>,
    key_size: Option<usize>,
    key_choice: Option<String>,
    value_size: Option<Text>,
    ttl: Option<Text>,
    connections: Option<usize>,
    threads: Option<usize>,
    pipeline: Option<usize>,
    rate: Option<Text>,
    arrivals: Option<ArrivalsWord>,
    warmup: Option<Text>,
    duration: Option<Text>,
    churn: Option<u64>,
    seed: Option<u64>,
    #[serde(default)]
    populate: bool,
    #[serde(default)]
    populate_with: Vec<CommandFile>,
    #[serde(default)]
    may_miss: bool,
    #[serde(default)]
    objectives: Vec<String>,
    #[serde(default, rename = "verb")]
    verbs: Vec<VerbFile>,
    #[serde(default, rename = "group")]
    groups: Vec<GroupFile>,
    #[serde(default, rename = "phase")]
    phases: Vec<PhaseFile>,
}

/// `100` or `"100"`: numbers may stand without quotes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Whole(u64),
    Real(f64),
    Quoted(String),
}

impl Text {
    fn text(&self) -> String {
        match self {
            Text::Whole(n) => n.to_string(),
            Text::Real(n) => n.to_string(),
            Text::Quoted(text) => text.clone(),
        }
    }
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum ArrivalsWord {
    Poisson,
    Constant,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandFile {
    cmd: Option<String>,
    memcached: Option<String>,
    meta: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerbFile {
    name: String,
    #[serde(default = "one")]
    weight: f64,
    /// get, set or delete, in any dialect.
    ask: Option<String>,
    cmd: Option<String>,
    memcached: Option<String>,
    meta: Option<String>,
}

fn one() -> f64 {
    1.0
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupFile {
    name: String,
    #[serde(default = "one")]
    share: f64,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    setup: Vec<String>,
    #[serde(default)]
    listens: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PhaseFile {
    name: String,
    duration: Text,
    rate: Option<RateFile>,
    mix: Option<BTreeMap<String, f64>>,
    key_choice: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RateFile {
    Ramp([Text; 2]),
    Steady(Text),
}

/// What `--scenario` names: a built-in one, or a file.
pub fn find(name: &str) -> Result<Plan, String> {
    if let Some(built_in) = BUILT_IN.iter().find(|b| b.name == name) {
        return parse(built_in.text).map_err(|why| format!("scenario {name}: {why}"));
    }
    let looks_like_a_file = name.contains(['/', '.']);
    match std::fs::read_to_string(name) {
        Ok(text) => parse(&text).map_err(|why| format!("{name}: {why}")),
        Err(_) if !looks_like_a_file => {
            let names: Vec<&str> = BUILT_IN.iter().map(|b| b.name).collect();
            Err(format!("'{name}' is neither a file nor a scenario of torc-load: {}", names.join(", ")))
        }
        Err(error) => Err(format!("{name}: {error}")),
    }
}

/// Title, description and source of a scenario.
pub fn describe(text: &str) -> Result<(String, String, String), String> {
    let file: File = toml::from_str(text).map_err(|e| e.to_string())?;
    Ok((file.title, file.about.unwrap_or_default(), file.source.unwrap_or_default()))
}

pub fn parse(text: &str) -> Result<Plan, String> {
    let file: File = toml::from_str(text).map_err(|e| e.to_string().trim_end().to_string())?;
    let mut plan = Plan { title: file.title, ..Plan::default() };
    fn set<T>(to: &mut T, from: Option<T>) {
        if let Some(from) = from {
            *to = from;
        }
    }
    set(&mut plan.keys, file.keys);
    set(&mut plan.key_prefix, file.key_prefix);
    if let Some(size) = file.key_size {
        let digits = size.checked_sub(plan.key_prefix.len()).filter(|d| *d > 0);
        plan.key_digits = digits.ok_or("key_size is more than the bytes of key_prefix")?;
    }
    set(&mut plan.choice, file.key_choice.map(|c| KeyChoice::parse(&c)).transpose()?);
    set(&mut plan.sizes, file.value_size.map(|s| Spread::parse(&s.text())).transpose()?);
    plan.ttl = file.ttl.map(|t| Spread::parse(&t.text())).transpose()?;
    set(&mut plan.connections, file.connections);
    set(&mut plan.threads, file.threads);
    set(&mut plan.pipeline, file.pipeline);
    let arrivals = match file.arrivals {
        Some(ArrivalsWord::Constant) => Arrivals::Constant,
        _ => Arrivals::Poisson,
    };
    if let Some(rate) = file.rate {
        plan.pace = Pace::Open { per_second: number(&rate.text())?, arrivals };
    }
    set(&mut plan.warmup, file.warmup.map(|t| duration(&t.text())).transpose()?);
    plan.duration = file.duration.map(|t| duration(&t.text())).transpose()?;
    plan.churn = file.churn;
    set(&mut plan.seed, file.seed);
    plan.populate = file.populate || !file.populate_with.is_empty();
    for commands in &file.populate_with {
        let read = commands_of(&commands.cmd, &commands.memcached, &commands.meta);
        plan.populate_with.push(read.map_err(|why| format!("populate_with: {why}"))?);
    }
    plan.may_miss = file.may_miss;
    plan.objectives = file.objectives.iter().map(|o| Goal::parse(o)).collect::<Result<_, _>>()?;
    for verb in &file.verbs {
        plan.verbs.push(verb_of(verb).map_err(|why| format!("verb '{}': {why}", verb.name))?);
    }
    for group in file.groups {
        let setup = group.setup.iter().map(|s| Recipe::parse(s)).collect::<Result<_, _>>();
        let setup = setup.map_err(|why| format!("group '{}': {why}", group.name))?;
        plan.groups.push(Group {
            name: group.name,
            share: group.share,
            verbs: group.verbs,
            setup,
            listens: group.listens,
        });
    }
    for phase in file.phases {
        plan.phases.push(phase_of(&phase).map_err(|why| format!("phase '{}': {why}", phase.name))?);
    }
    if plan.pace == Pace::Closed
        && let Some((from, to)) = plan.phases.iter().find_map(|p| p.rate)
    {
        // Phases have the rates: this one is for those that have none.
        plan.pace = Pace::Open { per_second: from.max(to).max(1.0), arrivals };
    }
    Ok(plan)
}

fn commands_of(resp: &Option<String>, memcached: &Option<String>, meta: &Option<String>) -> Result<Commands, String> {
    let read = |text: &Option<String>| text.as_ref().map(|t| Recipe::parse(t)).transpose();
    let commands = Commands { resp: read(resp)?, memcached: read(memcached)?, meta: read(meta)? };
    if commands.resp.is_none() && commands.memcached.is_none() && commands.meta.is_none() {
        return Err("it says no command: cmd, memcached or meta".into());
    }
    Ok(commands)
}

fn verb_of(verb: &VerbFile) -> Result<VerbPlan, String> {
    let ask = match verb.ask.as_deref() {
        Some(_) if verb.cmd.is_some() || verb.memcached.is_some() || verb.meta.is_some() => {
            return Err("ask and a command exclude each other".into());
        }
        Some("get") => Ask::Get,
        Some("set") => Ask::Set,
        Some("delete") => Ask::Delete,
        Some(other) => return Err(format!("ask is get, set or delete, not '{other}'")),
        None => Ask::Command(commands_of(&verb.cmd, &verb.memcached, &verb.meta)?),
    };
    Ok(VerbPlan { name: verb.name.clone(), weight: verb.weight, ask })
}

fn phase_of(phase: &PhaseFile) -> Result<PhasePlan, String> {
    let rate = match &phase.rate {
        None => None,
        Some(RateFile::Steady(rate)) => Some((number(&rate.text())?, number(&rate.text())?)),
        Some(RateFile::Ramp([from, to])) => Some((number(&from.text())?, number(&to.text())?)),
    };
    Ok(PhasePlan {
        name: phase.name.clone(),
        duration: duration(&phase.duration.text())?,
        rate,
        mix: phase.mix.as_ref().map(|m| m.iter().map(|(n, w)| (n.clone(), *w)).collect()),
        choice: phase.key_choice.as_ref().map(|c| KeyChoice::parse(c)).transpose()?,
    })
}

/// A verb of a command alone, in whichever dialect its target speaks; named by its first word.
pub fn bare_verb(command: &str) -> Result<VerbPlan, String> {
    let recipe = Recipe::parse(command)?;
    let name = recipe.command();
    let commands = Commands { resp: Some(recipe.clone()), memcached: Some(recipe.clone()), meta: Some(recipe) };
    Ok(VerbPlan { name, weight: 1.0, ask: Ask::Command(commands) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Dialect, Target};
    use std::time::Duration;

    #[test]
    fn every_built_in_scenario_is_sound() {
        for built_in in BUILT_IN {
            let plan = parse(built_in.text).unwrap_or_else(|why| panic!("{}: {why}", built_in.name));
            let plan = Plan { targets: vec![Target::parse("resp://h").expect("valid")], ..plan };
            assert_eq!(plan.refuse(), None, "{}", built_in.name);
            let (title, about, _) = describe(built_in.text).expect("read above");
            assert!(!title.is_empty() && !about.is_empty(), "{} says what it is", built_in.name);
            let published = ["ycsb", "twitter", "meta"].iter().any(|p| built_in.name.starts_with(p));
            assert!(!published || built_in.text.contains("source = "), "{} names its source", built_in.name);
        }
    }

    #[test]
    fn a_whole_file_is_read() {
        let plan = parse(
            r#"
            title = "all of it"
            keys = 1000
            key_prefix = "k:"
            key_size = 20
            key_choice = "zipf:1.1"
            value_size = 32
            ttl = "60-120"
            rate = "10k"
            arrivals = "constant"
            warmup = "500ms"
            objectives = ["p99=1ms"]
            populate = true
            [[verb]]
            name = "get"
            weight = 9
            ask = "get"
            [[verb]]
            name = "hset"
            cmd = "HSET {key} f {value}"
            memcached = "set {key} 0 0 {size} {value}"
            [[group]]
            name = "all"
            setup = ["CLIENT SETNAME c{conn}"]
            [[phase]]
            name = "up"
            duration = "2s"
            rate = [0, "20k"]
            mix = { hset = 1 }
            "#,
        )
        .expect("sound");
        assert_eq!((plan.keys, plan.key_digits, plan.choice.clone()), (1000, 18, KeyChoice::Zipf { theta: 1.1 }));
        assert_eq!(plan.pace, Pace::Open { per_second: 10_000.0, arrivals: Arrivals::Constant });
        assert_eq!(plan.phases[0].rate, Some((0.0, 20_000.0)));
        assert_eq!(plan.measured(), Some(Duration::from_secs(2)));
        assert_eq!(plan.phases[0].mix, Some(vec![("hset".to_string(), 1.0)]));
        let Ask::Command(commands) = &plan.verbs[1].ask else { panic!("a command") };
        assert!(commands.of(Dialect::Meta).is_some() && commands.of(Dialect::Resp3).is_some());
        assert!((plan.groups[0].setup.len(), plan.objectives.len(), plan.populate) == (1, 1, true));
    }

    #[test]
    fn what_is_wrong_in_a_file_is_told() {
        let cases = [
            ("", "title"),
            ("title = 'a'\nkees = 5", "kees"),
            ("title = 'a'\nvalue_size = 'big'", "'big' is no size"),
            ("title = 'a'\n[[verb]]\nname = 'x'", "verb 'x': it says no command"),
            ("title = 'a'\n[[verb]]\nname = 'x'\ncmd = 'GET {kee}'", "{kee}"),
            ("title = 'a'\n[[verb]]\nname = 'x'\nask = 'put'", "not 'put'"),
            ("title = 'a'\n[[phase]]\nname = 'x'\nduration = 'soon'", "phase 'x'"),
        ];
        for (text, told) in cases {
            let why = parse(text).expect_err(text);
            assert!(why.contains(told), "{text}: {why}");
        }
        assert!(find("no-such").expect_err("none").contains("leaderboard"));
    }
}
