//! Room: loadgen. Charts of lines and bands: what they show, and the figure around the drawing. Touches: scale, unit, svg.

use super::scale::{Scale, Span};
use super::unit::Unit;
use super::{escape, json_text, svg};
use std::fmt::Write;

/// One direction of a chart.
#[derive(Clone, Debug)]
pub struct Axis {
    pub label: String,
    pub unit: Unit,
    pub scale: Scale,
}

impl Axis {
    pub fn linear(label: impl Into<String>, unit: Unit) -> Axis {
        Axis { label: label.into(), unit, scale: Scale::Linear }
    }

    pub fn log(label: impl Into<String>, unit: Unit) -> Axis {
        Axis { label: label.into(), unit, scale: Scale::Log }
    }

    /// Time since the start of a run, in seconds.
    pub fn elapsed() -> Axis {
        Axis::linear("time since the start", Unit::Elapsed)
    }

    /// Quantiles, 0 to 1, spread by their nines.
    pub fn quantiles() -> Axis {
        Axis { label: "percentile".into(), unit: Unit::Quantile, scale: Scale::Nines }
    }
}

/// Colours that tell apart in light, in dark, and for readers who see few of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Things of the same rank: runs, verbs, servers. Repeats after eight.
    Series(usize),
    /// Things in order, calm to alarming, 0 to 4: percentiles.
    Rank(usize),
    /// What is there to compare with.
    Muted,
    Bad,
}

impl Colour {
    pub(super) fn class(self) -> String {
        match self {
            Colour::Series(at) => format!("s{}", at % 8),
            Colour::Rank(at) => format!("q{}", at.min(4)),
            Colour::Muted => "muted".into(),
            Colour::Bad => "bad".into(),
        }
    }
}

/// How points are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Line,
    /// Each value holds until the next.
    Steps,
    /// Measured points with a line between them.
    Dotted,
    /// A thin broken line: wanted, not measured.
    Dashed,
    /// Points alone.
    Points,
}

#[derive(Clone, Debug)]
pub(super) struct Line {
    pub name: String,
    pub colour: Colour,
    pub shape: Shape,
    pub points: Vec<(f64, f64)>,
}

#[derive(Clone, Debug)]
pub(super) struct Band {
    pub name: String,
    pub colour: Colour,
    /// Where, from, to.
    pub points: Vec<(f64, f64, f64)>,
}

#[derive(Clone, Debug)]
pub(super) enum Mark {
    /// A level that matters, as an objective.
    Level { at: f64, label: String, colour: Colour },
    /// A place on the x axis that matters.
    Place { at: f64, label: String },
    /// A stretch of the x axis, shaded every other time.
    Stretch { from: f64, to: f64, label: String },
}

/// A line of a legend: what is drawn under `key`, and how.
pub(super) struct Entry {
    pub key: String,
    pub name: String,
    pub colour: Colour,
    pub look: Look,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Stroke,
    Dash,
    Dot,
    Area,
    Bar,
}

impl Look {
    fn class(self) -> &'static str {
        match self {
            Look::Stroke => "stroke",
            Look::Dash => "dash",
            Look::Dot => "dot",
            Look::Area | Look::Bar => "area",
        }
    }
}

/// Lines and bands over two axes. Values that are not finite leave a gap.
#[derive(Clone, Debug)]
pub struct Chart {
    pub(super) title: String,
    pub(super) note: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// The reader may change between linear and log; the axis' own scale comes first.
    pub(super) either: bool,
    pub(super) full_width: bool,
    pub(super) lines: Vec<Line>,
    pub(super) bands: Vec<Band>,
    pub(super) marks: Vec<Mark>,
}

// More points than this cannot be told apart on a screen; the lowest and the highest of their neighbours are kept.
const POINTS_MOST: usize = 480;

impl Chart {
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Chart {
        Chart {
            title: title.into(),
            note: String::new(),
            x,
            y,
            either: false,
            full_width: false,
            lines: Vec::new(),
            bands: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// A sentence under the chart: how to read it, what was counted.
    pub fn note(mut self, text: impl Into<String>) -> Chart {
        self.note = text.into();
        self
    }

    /// Lets the reader change the y axis between linear and log.
    pub fn either_scale(mut self) -> Chart {
        self.either = true;
        self
    }

    /// The whole width of the page in place of half of it.
    pub fn full_width(mut self) -> Chart {
        self.full_width = true;
        self
    }

    pub fn line(self, name: impl Into<String>, colour: Colour, points: impl IntoIterator<Item = (f64, f64)>) -> Chart {
        self.shaped(name, colour, Shape::Line, points)
    }

    pub fn shaped(
        mut self,
        name: impl Into<String>,
        colour: Colour,
        shape: Shape,
        points: impl IntoIterator<Item = (f64, f64)>,
    ) -> Chart {
        let points = points.into_iter().filter(|p| p.0.is_finite()).collect();
        self.lines.push(Line { name: name.into(), colour, shape, points: thinned(points) });
        self
    }

    /// The area between two values at each x: `(x, from, to)`.
    pub fn band(
        mut self,
        name: impl Into<String>,
        colour: Colour,
        points: impl IntoIterator<Item = (f64, f64, f64)>,
    ) -> Chart {
        let points: Vec<_> = points.into_iter().filter(|p| p.0.is_finite()).collect();
        self.bands.push(Band { name: name.into(), colour, points: thinned_band(points) });
        self
    }

    /// A level line across the chart.
    pub fn level(mut self, at: f64, label: impl Into<String>, colour: Colour) -> Chart {
        self.marks.push(Mark::Level { at, label: label.into(), colour });
        self
    }

    /// An upright line.
    pub fn place(mut self, at: f64, label: impl Into<String>) -> Chart {
        self.marks.push(Mark::Place { at, label: label.into() });
        self
    }

    /// A named stretch of the x axis, as a phase.
    pub fn stretch(mut self, from: f64, to: f64, label: impl Into<String>) -> Chart {
        self.marks.push(Mark::Stretch { from, to, label: label.into() });
        self
    }

    pub fn is_empty(&self) -> bool {
        self.lines.iter().all(|l| l.points.is_empty()) && self.bands.iter().all(|b| b.points.is_empty())
    }

    /// A drawing that stands alone, as a file: light or dark as its reader is.
    pub fn svg(&self) -> String {
        svg::standalone(
            &self.title,
            &self.legend_entries(),
            &svg::draw(self, svg::ALONE, self.y.scale, None),
            svg::ALONE,
        )
    }

    fn legend_entries(&self) -> Vec<Entry> {
        let bands = self.bands.iter().enumerate().map(|(at, b)| Entry {
            key: format!("b{at}"),
            name: b.name.clone(),
            colour: b.colour,
            look: Look::Area,
        });
        let lines = self.lines.iter().enumerate().map(|(at, l)| Entry {
            key: format!("l{at}"),
            name: l.name.clone(),
            colour: l.colour,
            look: match l.shape {
                Shape::Dashed => Look::Dash,
                Shape::Points => Look::Dot,
                _ => Look::Stroke,
            },
        });
        bands.chain(lines).filter(|e| !e.name.is_empty()).collect()
    }

    /// The chart in a page: title, legend, drawings for wide and narrow places, what pointing at it shows.
    pub(super) fn figure(&self, id: usize) -> String {
        let mut out = String::new();
        let wide = if self.full_width { "figure full" } else { "figure" };
        let _ = write!(out, "<figure class=\"{wide}\" id=\"f{id}\">\n<figcaption>{}", escape(&self.title));
        if self.either {
            let (first, second) = match self.y.scale {
                Scale::Log => ("log", "linear"),
                _ => ("linear", "log"),
            };
            let _ = write!(
                out,
                "<span class=\"scales needs-script\" role=\"group\" aria-label=\"scale of the y axis\">\
                 <button type=\"button\" data-scale=\"0\" aria-pressed=\"true\">{first}</button>\
                 <button type=\"button\" data-scale=\"1\" aria-pressed=\"false\">{second}</button></span>"
            );
        }
        out.push_str("</figcaption>\n");
        self.legend(&mut out);
        if self.is_empty() {
            out.push_str("<p class=\"nothing\">Nothing was measured for this chart.</p>\n</figure>\n");
            return out;
        }
        let other = if self.y.scale == Scale::Log { Scale::Linear } else { Scale::Log };
        let scales: &[Scale] = if self.either { &[self.y.scale, other] } else { &[self.y.scale] };
        for (at, scale) in scales.iter().enumerate() {
            let sizes = if self.full_width {
                [("wide", svg::FULL), ("narrow", svg::NARROW)]
            } else {
                [("wide", svg::HALF), ("narrow", svg::NARROW)]
            };
            for (class, size) in sizes {
                let hidden = if at > 0 { " hidden" } else { "" };
                let _ = write!(out, "<div class=\"plot {class}\" data-scale=\"{at}\"{hidden}>");
                out.push_str(&svg::draw(self, size, *scale, Some(&self.spoken())));
                out.push_str("</div>\n");
            }
        }
        let _ = writeln!(out, "<script type=\"application/json\" class=\"points\">{}</script>", self.points(scales));
        if !self.note.is_empty() {
            let _ = writeln!(out, "<p class=\"note\">{}</p>", escape(&self.note));
        }
        out.push_str("</figure>\n");
        out
    }

    fn legend(&self, out: &mut String) {
        let entries = self.legend_entries();
        if entries.is_empty() {
            return;
        }
        out.push_str("<div class=\"legend\">");
        for Entry { key, name, colour, look } in &entries {
            let _ = write!(
                out,
                "<button type=\"button\" data-key=\"{key}\" aria-pressed=\"true\"><i class=\"{} {}\"></i>{}</button>",
                look.class(),
                colour.class(),
                escape(name)
            );
        }
        out.push_str("</div>\n");
    }

    /// What a reader who cannot see the drawing is told.
    fn spoken(&self) -> String {
        let mut text = format!("{}: {} by {}.", self.title, self.y.label, self.x.label);
        for line in self.lines.iter().filter(|l| !l.name.is_empty()) {
            let mut values: Vec<f64> = line.points.iter().map(|p| p.1).filter(|v| v.is_finite()).collect();
            values.sort_by(f64::total_cmp);
            if let (Some(low), Some(high)) = (values.first(), values.last()) {
                let _ = write!(text, " {}: {} to {}.", line.name, self.y.unit.show(*low), self.y.unit.show(*high));
            }
        }
        text
    }

    pub(super) fn x_span(&self, ticks: usize) -> Span {
        let lines = self.lines.iter().flat_map(|l| l.points.iter().map(|p| p.0));
        let bands = self.bands.iter().flat_map(|b| b.points.iter().map(|p| p.0));
        let marks = self.marks.iter().flat_map(|m| match m {
            Mark::Stretch { from, to, .. } => vec![*from, *to],
            Mark::Place { at, .. } => vec![*at],
            Mark::Level { .. } => vec![],
        });
        let values: Vec<f64> = lines.chain(bands).chain(marks).filter(|v| v.is_finite()).collect();
        if self.x.scale == Scale::Linear && self.x.unit == Unit::Elapsed {
            // Time that was not measured is not drawn.
            let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let least = values.iter().copied().fold(0.0, f64::min);
            return Span::exact(self.x.unit, least, most, ticks);
        }
        Span::covering(self.x.scale, self.x.unit, values.into_iter(), ticks)
    }

    pub(super) fn y_span(&self, scale: Scale, ticks: usize) -> Span {
        let lines = self.lines.iter().flat_map(|l| l.points.iter().map(|p| p.1));
        let bands = self.bands.iter().flat_map(|b| b.points.iter().flat_map(|p| [p.1, p.2]));
        let levels = self.marks.iter().filter_map(|m| if let Mark::Level { at, .. } = m { Some(*at) } else { None });
        Span::covering(scale, self.y.unit, lines.chain(bands).chain(levels), ticks)
    }

    /// What the script needs to answer a pointer: for each line the places of its points (0 to 1 of the drawing's inside, y
    /// for each scale) and their values in words.
    fn points(&self, scales: &[Scale]) -> String {
        let x = self.x_span(6);
        let ys: Vec<Span> = scales.iter().map(|s| self.y_span(*s, svg::Y_TICKS)).collect();
        let mut out = String::from("{\"lines\":[");
        let mut shared: Option<Vec<f64>> = None;
        for (at, line) in self.lines.iter().enumerate() {
            let points: Vec<&(f64, f64)> = line.points.iter().filter(|p| p.1.is_finite()).collect();
            let xs: Vec<f64> = points.iter().map(|p| p.0).collect();
            let sep = if at > 0 { "," } else { "" };
            let _ = write!(out, "{sep}{{\"n\":{},\"c\":\"{}\"", json_text(&line.name), line.colour.class());
            // Lines of one series mostly share their x: it is written once.
            if shared.as_ref() != Some(&xs) {
                let list = |f: &dyn Fn(f64) -> String| xs.iter().map(|v| f(*v)).collect::<Vec<_>>().join(",");
                let _ = write!(out, ",\"x\":[{}]", list(&|v| place(x.place(v))));
                let _ = write!(out, ",\"h\":[{}]", list(&|v| json_text(&self.x.unit.show(v))));
                shared = Some(xs);
            }
            let values = points.iter().map(|p| json_text(&self.y.unit.show(p.1))).collect::<Vec<_>>().join(",");
            let places: Vec<String> = ys
                .iter()
                .map(|s| {
                    let places: Vec<String> = points.iter().map(|p| place(s.place(p.1))).collect();
                    format!("[{}]", places.join(","))
                })
                .collect();
            let _ = write!(out, ",\"y\":[{}],\"t\":[{values}]}}", places.join(","));
        }
        out.push_str("]}");
        out
    }
}

/// Three places are a third of a pixel.
fn place(at: f64) -> String {
    let text = format!("{at:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// At most `POINTS_MOST` points: of each bundle of neighbours the lowest and the highest, in their order, so that no peak and
/// no trough is lost.
fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    if points.len() <= POINTS_MOST {
        return points;
    }
    let bundle = points.len().div_ceil(POINTS_MOST / 2);
    let mut out = Vec::with_capacity(POINTS_MOST);
    for some in points.chunks(bundle) {
        let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let (Some(low), Some(high)) = (some.iter().min_by(by_value), some.iter().max_by(by_value)) else { continue };
        let (first, second) = if low.0 <= high.0 { (low, high) } else { (high, low) };
        out.push(*first);
        if second != first {
            out.push(*second);
        }
    }
    // The ends stay: an axis ends where its lines do.
    if let (Some(first), Some(last)) = (points.first(), points.last()) {
        if out.first() != Some(first) {
            out.insert(0, *first);
        }
        if out.last() != Some(last) {
            out.push(*last);
        }
    }
    out
}

fn thinned_band(points: Vec<(f64, f64, f64)>) -> Vec<(f64, f64, f64)> {
    if points.len() <= POINTS_MOST {
        return points;
    }
    let bundle = points.len().div_ceil(POINTS_MOST);
    let widest = |some: &[(f64, f64, f64)]| {
        let low = some.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
        let high = some.iter().map(|p| p.2).fold(f64::NEG_INFINITY, f64::max);
        (some[0].0, low, high)
    };
    points.chunks(bundle).map(widest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_peaks_troughs_and_ends() {
        let mut points: Vec<(f64, f64)> = (0..10_000).map(|i| (f64::from(i), 5.0)).collect();
        points[4321].1 = 99.0;
        points[4325].1 = 1.0;
        let thin = thinned(points.clone());
        assert!(thin.len() <= POINTS_MOST + 2);
        assert!(thin.contains(&(4321.0, 99.0)) && thin.contains(&(4325.0, 1.0)));
        assert_eq!((thin.first(), thin.last()), (points.first(), points.last()));
        assert!(thin.is_sorted_by(|a, b| a.0 < b.0));
        let band = thinned_band(points.iter().map(|p| (p.0, p.1, p.1 + 1.0)).collect());
        assert!(band.len() <= POINTS_MOST && band.iter().any(|b| b.1 == 1.0 && b.2 == 100.0));
    }

    #[test]
    fn points_for_the_script_are_json_and_lie_within_the_drawing() {
        let chart = Chart::new("t", Axis::elapsed(), Axis::linear("y", Unit::Seconds))
            .either_scale()
            .line("</script>\"", Colour::Series(0), [(0.0, 0.001), (1.0, f64::NAN), (2.0, 0.1)])
            .line("two", Colour::Series(1), [(0.0, 0.0), (2.0, 7.0)]);
        let text = chart.points(&[Scale::Linear, Scale::Log]);
        assert!(!text.contains("</script"));
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(json["lines"][0]["n"], "</script>\"");
        assert_eq!(json["lines"][0]["t"].as_array().map(Vec::len), Some(2), "a gap is no point");
        assert!(json["lines"][1].get("x").is_none(), "the same x is written once");
        for line in json["lines"].as_array().expect("lines") {
            for places in line["y"].as_array().expect("a list for each scale") {
                let inside = |v: &serde_json::Value| (0.0..=1.0).contains(&v.as_f64().expect("a number"));
                assert!(places.as_array().expect("places").iter().all(inside));
            }
        }
    }
}
