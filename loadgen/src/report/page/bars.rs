//! Room: loadgen. Charts of lying bars: values of several things, grouped. Touches: scale, unit, svg.

use super::chart::{Colour, Entry, Look};
use super::escape;
use super::scale::{Scale, Span};
use super::svg::{self, Size, width_of};
use super::unit::Unit;
use std::fmt::Write;

/// One value, and between which it lay when measured again.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

impl Bar {
    pub fn of(value: f64) -> Bar {
        Bar { value, low: value, high: value }
    }

    pub fn between(value: f64, low: f64, high: f64) -> Bar {
        Bar { value, low, high }
    }
}

/// A bar for each thing in each group, all from one zero: `("get, P=1", [torc, redis, memcached])`. A missing value is said to
/// be missing.
#[derive(Clone, Debug)]
pub struct Bars {
    title: String,
    note: String,
    unit: Unit,
    label: String,
    names: Vec<String>,
    groups: Vec<(String, Vec<Option<Bar>>)>,
    full_width: bool,
    ratios: bool,
    own_scales: bool,
}

const BAR: f64 = 17.0;
const GAP: f64 = 3.0;
const GROUP_HEAD: f64 = 22.0;
/// Of a name that needs more lines, each further one.
const GROUP_LINE: f64 = 16.0;
/// The mean letter of a group's name, 13 px and bold, rather too much than too little.
const GROUP_LETTER: f64 = 7.9;
const GROUP_GAP: f64 = 10.0;
const BELOW: f64 = 42.0;

impl Bars {
    /// `names` are the things compared; each group gives one value to each, in that order.
    pub fn new<T: Into<String>>(
        title: impl Into<String>,
        label: impl Into<String>,
        unit: Unit,
        names: impl IntoIterator<Item = T>,
    ) -> Bars {
        Bars {
            title: title.into(),
            note: String::new(),
            unit,
            label: label.into(),
            names: names.into_iter().map(Into::into).collect(),
            groups: Vec::new(),
            full_width: false,
            ratios: false,
            own_scales: false,
        }
    }

    pub fn group(mut self, name: impl Into<String>, values: impl IntoIterator<Item = Option<Bar>>) -> Bars {
        self.groups.push((name.into(), values.into_iter().collect()));
        self
    }

    pub fn note(mut self, text: impl Into<String>) -> Bars {
        self.note = text.into();
        self
    }

    pub fn full_width(mut self) -> Bars {
        self.full_width = true;
        self
    }

    /// Writes beside each value how many times the first of its group it is.
    pub fn ratios(mut self) -> Bars {
        self.ratios = true;
        self
    }

    /// Draws each group to its own scale, without an axis: for groups of different sizes, or of different things. The reader
    /// is told so.
    pub fn own_scales(mut self) -> Bars {
        self.own_scales = true;
        self
    }

    pub(super) fn figure(&self) -> String {
        let mut out = String::new();
        let class = if self.full_width { "figure full" } else { "figure" };
        let _ = write!(
            out,
            "<figure class=\"{class}\">\n<figcaption>{}</figcaption>\n<div class=\"legend\">",
            escape(&self.title)
        );
        for (at, name) in self.names.iter().enumerate() {
            let _ = write!(out, "<span><i class=\"area {}\"></i>{}</span>", Colour::Series(at).class(), escape(name));
        }
        out.push_str("</div>\n");
        let wide = if self.full_width { svg::FULL.0 } else { svg::HALF.0 };
        for (class, width) in [("wide", wide), ("narrow", svg::NARROW.0)] {
            let _ = writeln!(out, "<div class=\"plot {class}\">{}</div>", self.draw(width));
        }
        if !self.note.is_empty() {
            let _ = writeln!(out, "<p class=\"note\">{}</p>", escape(&self.note));
        }
        out.push_str("</figure>\n");
        out
    }

    /// A drawing that stands alone, as a file: light or dark as its reader is.
    pub fn svg(&self) -> String {
        let names = self.names.iter().enumerate();
        let entry = |(at, name): (usize, &String)| Entry {
            key: String::new(),
            name: name.clone(),
            colour: Colour::Series(at),
            look: Look::Bar,
        };
        let legend: Vec<Entry> = names.map(entry).collect();
        let size = (svg::ALONE.0, self.height(svg::ALONE.0));
        svg::standalone(&self.title, &legend, &self.draw(size.0), size)
    }

    fn height(&self, width: f64) -> f64 {
        let group = |(name, values): &(String, Vec<Option<Bar>>)| {
            head(&lines(name, width)) + values.len() as f64 * (BAR + GAP) + GROUP_GAP
        };
        self.groups.iter().map(group).sum::<f64>() + BELOW
    }

    fn value_text(&self, at: usize, values: &[Option<Bar>]) -> String {
        let Some(bar) = values[at] else { return "not run".into() };
        let text = self.unit.show(bar.value);
        match values.first().copied().flatten() {
            Some(first) if self.ratios && at > 0 && first.value > 0.0 => {
                format!("{text}  ({})", Unit::Ratio.show(bar.value / first.value))
            }
            _ => text,
        }
    }

    fn draw(&self, width: f64) -> String {
        let size: Size = (width, self.height(width));
        let ticks = if width < 500.0 { 3 } else { 5 };
        let span_of = |groups: &[(String, Vec<Option<Bar>>)]| {
            let bars = groups.iter().flat_map(|g| g.1.iter().flatten());
            Span::covering(Scale::Linear, self.unit, bars.flat_map(|b| [b.value, b.high]), ticks)
        };
        let texts = self.groups.iter().flat_map(|g| (0..g.1.len()).map(|at| width_of(&self.value_text(at, &g.1))));
        // The value stands right of its bar: the longest bar leaves it room.
        let right = texts.fold(0.0, f64::max) + 12.0;
        let (left, inner) = (2.0, size.0 - right - 2.0);
        let bottom = size.1 - BELOW;
        let mut out = String::new();
        let spoken = format!("{}: {}", self.title, self.label);
        let _ = writeln!(
            out,
            "<svg class=\"chart bars\" viewBox=\"0 0 {:.0} {:.0}\" role=\"img\" aria-label=\"{}\">",
            size.0,
            size.1,
            escape(&spoken)
        );
        let whole = span_of(&self.groups);
        let mut free = f64::NEG_INFINITY;
        for tick in whole.ticks().iter().filter(|_| !self.own_scales) {
            let at = left + tick.at * inner;
            let half = width_of(&tick.label) / 2.0;
            let _ = writeln!(out, "<path class=\"grid\" d=\"M{at:.1} {GROUP_HEAD:.1}V{bottom:.1}\"/>");
            let (anchor, begins) = if at < half { ("start", at) } else { ("middle", at - half) };
            if begins > free {
                let y = bottom + 17.0;
                let label = escape(&tick.label);
                let _ = writeln!(
                    out,
                    "<text class=\"tick\" x=\"{at:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{label}</text>"
                );
                free = begins + 2.0 * half + 6.0;
            }
        }
        let mut y = 0.0;
        for group in &self.groups {
            let (name, values) = group;
            let own = if self.own_scales { span_of(std::slice::from_ref(group)) } else { whole };
            let longest = own.place(values.iter().flatten().map(|b| b.high.max(b.value)).fold(0.0, f64::max));
            // With a scale of its own the longest bar of a group fills it.
            let stretch = if self.own_scales && longest > 0.0 { inner / longest } else { inner };
            let x = |value: f64| left + own.place(value) * stretch;
            let lines = lines(name, width);
            for (at, line) in lines.iter().enumerate() {
                let y = y + 15.0 + at as f64 * GROUP_LINE;
                let _ = writeln!(out, "<text class=\"group\" x=\"{left}\" y=\"{y:.1}\">{}</text>", escape(line));
            }
            y += head(&lines);
            // Beside the bars alone: through a group's name it would be a letter.
            let beside = values.len() as f64 * (BAR + GAP);
            let _ = writeln!(out, "<path class=\"axis\" d=\"M{left} {y:.1}V{:.1}\"/>", y + beside);
            for (at, value) in values.iter().enumerate() {
                let class = Colour::Series(at).class();
                let mut text_x = left + 4.0;
                if let Some(bar) = value {
                    let end = x(bar.value);
                    let words =
                        format!("{}, {}: {}", self.names.get(at).map_or("", |n| n), name, self.unit.show(bar.value));
                    let _ = writeln!(
                        out,
                        "<g class=\"{class}\"><rect class=\"bar\" x=\"{left}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{BAR}\" rx=\"2\"/>\
                         <title>{}</title></g>",
                        (end - left).max(1.0),
                        escape(&words)
                    );
                    let (low, high, mid) = (x(bar.low), x(bar.high), y + BAR / 2.0);
                    if high - low > 1.0 {
                        let _ = writeln!(
                            out,
                            "<path class=\"whisker\" d=\"M{low:.1} {mid:.1}H{high:.1}M{low:.1} {:.1}v8M{high:.1} {:.1}v8\"/>",
                            mid - 4.0,
                            mid - 4.0
                        );
                    }
                    text_x = end.max(high) + 6.0;
                }
                let _ = writeln!(
                    out,
                    "<text class=\"tick\" x=\"{text_x:.1}\" y=\"{:.1}\">{}</text>",
                    y + BAR - 4.5,
                    escape(&self.value_text(at, values))
                );
                y += BAR + GAP;
            }
            y += GROUP_GAP;
        }
        let mut label = |at: f64, y: f64, anchor: &str, text: &str| {
            let text = escape(text);
            let _ = writeln!(
                out,
                "<text class=\"label\" x=\"{at:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
            );
        };
        if self.own_scales {
            // Two lines: one is too long for a phone.
            label(left, bottom + 17.0, "start", &self.label);
            label(left, bottom + 33.0, "start", "each group to a scale of its own, from zero");
        } else {
            label(left + inner, size.1 - 5.0, "end", &format!("{} →", self.label));
        }
        out.push_str("</svg>\n");
        out
    }
}

/// A name in as many lines as a drawing of that width needs, parted at blanks.
fn lines(name: &str, width: f64) -> Vec<String> {
    let most = (width / GROUP_LETTER) as usize;
    let mut lines = vec![String::new()];
    for word in name.split(' ') {
        let line = lines.last_mut().expect("there is always one");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= most {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_string());
        }
    }
    lines
}

fn head(lines: &[String]) -> f64 {
    GROUP_HEAD + (lines.len() - 1) as f64 * GROUP_LINE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_parted() {
        const NAME: &str = "1,000 subscribers, 16 PUBLISH at a time, 2 cores, load on the same";
        for (name, width, parts) in [
            (NAME, 1200.0, &[NAME][..]),
            (NAME, 360.0, &["1,000 subscribers, 16 PUBLISH at a time, 2", "cores, load on the same"]),
            ("p50", 360.0, &["p50"]),
            ("", 360.0, &[""]),
            ("a bb", 1.0, &["a", "bb"]),
        ] {
            assert_eq!(lines(name, width), parts, "{name} in {width}");
        }
        let bars = Bars::new("t", "l", Unit::Count, ["a"]).group(NAME, [Some(Bar::of(1.0))]);
        assert_eq!(bars.height(360.0) - bars.height(1200.0), GROUP_LINE);
    }
}
