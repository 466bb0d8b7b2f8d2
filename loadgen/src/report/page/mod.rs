//! Room: loadgen. One self-contained HTML page out of sentences, tables and charts. Touches: how JSON text is quoted.
//!
//! A page is built from plain values and drawn at the end: whoever has series of numbers can have a page
//! (`torc-load --html`, `torc-bench versus`). It asks nothing of the network, reads without its script, fits a phone
//! and a printer, and follows the reader's choice of light or dark. All text is escaped here and nowhere else.
//!
//! ```
//! use loadgen::report::page::{Axis, Chart, Colour, Page, Section, Unit};
//! let chart = Chart::new("Throughput", Axis::elapsed(), Axis::linear("answers a second", Unit::PerSecond))
//!     .line("answers", Colour::Series(0), [(0.0, 1.0e5), (1.0, 1.2e5)]);
//! let html = Page::new("A run").section(Section::new("Over time").chart(chart)).html();
//! assert!(html.starts_with("<!doctype html>"));
//! ```

mod bars;
mod chart;
pub mod scale;
mod svg;
pub mod unit;

pub use bars::{Bar, Bars};
pub use chart::{Axis, Chart, Colour, Shape};
pub use scale::Scale;
pub use unit::{Unit, grouped};

use std::fmt::Write;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// A whole page.
#[derive(Clone, Debug, Default)]
pub struct Page {
    title: String,
    lead: Vec<String>,
    sections: Vec<Section>,
    downloads: Vec<Download>,
    made_by: String,
}

#[derive(Clone, Debug)]
struct Download {
    label: String,
    file: String,
    content: String,
}

impl Page {
    pub fn new(title: impl Into<String>) -> Page {
        Page { title: title.into(), ..Page::default() }
    }

    /// A line under the title.
    pub fn lead(mut self, text: impl Into<String>) -> Page {
        self.lead.push(text.into());
        self
    }

    pub fn section(mut self, section: Section) -> Page {
        self.sections.push(section);
        self
    }

    /// Puts `content` into the page, to be saved from it as `file`. What ends in `.json` must be JSON.
    pub fn download(mut self, label: impl Into<String>, file: impl Into<String>, content: impl Into<String>) -> Page {
        self.downloads.push(Download { label: label.into(), file: file.into(), content: content.into() });
        self
    }

    /// The last line: which program made the page, and when.
    pub fn made_by(mut self, text: impl Into<String>) -> Page {
        self.made_by = text.into();
        self
    }

    pub fn html(&self) -> String {
        let mut out = String::with_capacity(64 << 10);
        let title = escape(&self.title);
        // The policy forbids what the page never does: an editor who adds a foreign script or font sees it refused.
        let _ = write!(
            out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
             script-src 'unsafe-inline'; img-src data:\">\n\
             <title>{title}</title>\n<style>\n{}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n",
            style()
        );
        for lead in &self.lead {
            let _ = writeln!(out, "<p class=\"lead\">{}</p>", escape(lead));
        }
        self.controls(&mut out);
        out.push_str("</header>\n<main>\n");
        let mut ids = Ids::default();
        for section in &self.sections {
            section.draw(&mut out, &mut ids);
        }
        out.push_str("</main>\n");
        if !self.made_by.is_empty() {
            let _ = writeln!(out, "<footer>{}</footer>", escape(&self.made_by));
        }
        for (at, download) in self.downloads.iter().enumerate() {
            // JSON stays JSON; all else travels as one JSON string. `<` occurs in JSON within strings only.
            let json = if download.file.ends_with(".json") {
                download.content.replace('<', "\\u003c")
            } else {
                json_text(&download.content)
            };
            let _ = writeln!(out, "<script type=\"application/json\" id=\"data{at}\">{json}</script>");
        }
        let _ = write!(out, "<div id=\"tip\" hidden></div>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n");
        out
    }

    fn controls(&self, out: &mut String) {
        out.push_str("<div class=\"controls needs-script\">");
        for (at, download) in self.downloads.iter().enumerate() {
            let (file, label) = (escape(&download.file), escape(&download.label));
            let _ = write!(out, "<button type=\"button\" data-save=\"data{at}\" data-file=\"{file}\">{label}</button>");
        }
        out.push_str("<button type=\"button\" id=\"theme\">Light or dark</button></div>\n");
    }
}

/// The dark colours stand once in the file and twice in the page: for who chose them here, and for whose system asks for them.
fn style() -> String {
    STYLE.replace("/* dark colours again */", style_part("dark colours"))
}

/// What stands in the style between two markers.
fn style_part(name: &str) -> &'static str {
    let (open, close) = (format!("/* {name} */"), format!("/* end {name} */"));
    STYLE.split_once(&open).and_then(|s| s.1.split_once(&close)).map_or("", |s| s.0)
}

/// Numbers for what needs an id within a page.
#[derive(Default)]
struct Ids(usize);

impl Ids {
    fn next(&mut self) -> usize {
        self.0 += 1;
        self.0
    }
}

/// A heading and what stands under it, in the order it was added.
#[derive(Clone, Debug, Default)]
pub struct Section {
    heading: String,
    blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
enum Block {
    Text(String),
    Notice(Level, String),
    Facts(Vec<(String, String)>),
    Tiles(Vec<Tile>),
    Table(Table),
    Command(String),
    Chart(Box<Chart>),
    Bars(Box<Bars>),
}

/// How glad or worried the reader should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Plain,
    Good,
    Warning,
    Bad,
}

impl Level {
    fn class(self) -> &'static str {
        match self {
            Level::Plain => "plain",
            Level::Good => "good",
            Level::Warning => "warning",
            Level::Bad => "bad",
        }
    }

    /// A word for those who see no colour.
    fn word(self) -> &'static str {
        match self {
            Level::Plain => "Note",
            Level::Good => "Good",
            Level::Warning => "Warning",
            Level::Bad => "Problem",
        }
    }
}

/// One number that matters, large.
#[derive(Clone, Debug)]
pub struct Tile {
    pub name: String,
    pub value: String,
    pub note: String,
    pub level: Level,
}

impl Tile {
    pub fn new(name: impl Into<String>, value: impl Into<String>, note: impl Into<String>) -> Tile {
        Tile { name: name.into(), value: value.into(), note: note.into(), level: Level::Plain }
    }

    pub fn level(mut self, level: Level) -> Tile {
        self.level = level;
        self
    }
}

/// Rows of text. The first column names the row; the others are numbers, set to the right.
#[derive(Clone, Debug, Default)]
pub struct Table {
    caption: String,
    head: Vec<String>,
    rows: Vec<(Vec<String>, Level)>,
    words: bool,
    named: bool,
}

impl Table {
    pub fn new<T: Into<String>>(head: impl IntoIterator<Item = T>) -> Table {
        Table { head: head.into_iter().map(Into::into).collect(), ..Table::default() }
    }

    pub fn caption(mut self, text: impl Into<String>) -> Table {
        self.caption = text.into();
        self
    }

    /// Columns of words in place of numbers: set to the left, and broken over lines where they must be.
    pub fn words(mut self) -> Table {
        self.words = true;
        self
    }

    /// The second column names the row too: set to the left as the first.
    pub fn named(mut self) -> Table {
        self.named = true;
        self
    }

    pub fn row<T: Into<String>>(self, cells: impl IntoIterator<Item = T>) -> Table {
        self.row_of(Level::Plain, cells)
    }

    pub fn row_of<T: Into<String>>(mut self, level: Level, cells: impl IntoIterator<Item = T>) -> Table {
        self.rows.push((cells.into_iter().map(Into::into).collect(), level));
        self
    }
}

impl Section {
    pub fn new(heading: impl Into<String>) -> Section {
        Section { heading: heading.into(), blocks: Vec::new() }
    }

    fn with(mut self, block: Block) -> Section {
        self.blocks.push(block);
        self
    }

    /// A paragraph.
    pub fn text(self, text: impl Into<String>) -> Section {
        self.with(Block::Text(text.into()))
    }

    /// A sentence in a box: what makes figures doubtful, or settles a question.
    pub fn notice(self, level: Level, text: impl Into<String>) -> Section {
        self.with(Block::Notice(level, text.into()))
    }

    /// Names and what they are.
    pub fn facts<N: Into<String>, V: Into<String>>(self, facts: impl IntoIterator<Item = (N, V)>) -> Section {
        self.with(Block::Facts(facts.into_iter().map(|(n, v)| (n.into(), v.into())).collect()))
    }

    pub fn tiles(self, tiles: impl IntoIterator<Item = Tile>) -> Section {
        self.with(Block::Tiles(tiles.into_iter().collect()))
    }

    pub fn table(self, table: Table) -> Section {
        self.with(Block::Table(table))
    }

    /// A command line, to be copied.
    pub fn command(self, command: impl Into<String>) -> Section {
        self.with(Block::Command(command.into()))
    }

    /// Charts that follow each other stand side by side where there is room.
    pub fn chart(self, chart: Chart) -> Section {
        self.with(Block::Chart(Box::new(chart)))
    }

    pub fn bars(self, bars: Bars) -> Section {
        self.with(Block::Bars(Box::new(bars)))
    }

    fn draw(&self, out: &mut String, ids: &mut Ids) {
        out.push_str("<section>\n");
        if !self.heading.is_empty() {
            let _ = writeln!(out, "<h2>{}</h2>", escape(&self.heading));
        }
        let mut in_grid = false;
        for block in &self.blocks {
            let figure = matches!(block, Block::Chart(_) | Block::Bars(_));
            if figure != in_grid {
                out.push_str(if figure { "<div class=\"figures\">\n" } else { "</div>\n" });
                in_grid = figure;
            }
            block.draw(out, ids);
        }
        out.push_str(if in_grid { "</div>\n</section>\n" } else { "</section>\n" });
    }
}

impl Block {
    fn draw(&self, out: &mut String, ids: &mut Ids) {
        // Writing to a String cannot fail.
        let _ = match self {
            Block::Text(text) => writeln!(out, "<p>{}</p>", escape(text)),
            Block::Notice(level, text) => {
                writeln!(out, "<p class=\"notice {}\"><b>{}:</b> {}</p>", level.class(), level.word(), escape(text))
            }
            Block::Facts(facts) => {
                out.push_str("<dl class=\"facts\">\n");
                for (name, value) in facts {
                    let _ = writeln!(out, "<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value));
                }
                writeln!(out, "</dl>")
            }
            Block::Tiles(tiles) => {
                out.push_str("<div class=\"tiles\">\n");
                for tile in tiles {
                    let _ = writeln!(
                        out,
                        "<div class=\"tile {}\"><span class=\"name\">{}</span><span class=\"value\">{}</span>\
                         <span class=\"note\">{}</span></div>",
                        tile.level.class(),
                        escape(&tile.name),
                        escape(&tile.value),
                        escape(&tile.note)
                    );
                }
                writeln!(out, "</div>")
            }
            Block::Table(table) => table.draw(out),
            Block::Command(command) => writeln!(
                out,
                "<div class=\"command\"><pre><code>{}</code></pre>\
                 <button type=\"button\" class=\"needs-script\" data-copy>Copy</button></div>",
                escape(command)
            ),
            Block::Chart(chart) => write!(out, "{}", chart.figure(ids.next())),
            Block::Bars(bars) => write!(out, "{}", bars.figure()),
        };
    }
}

impl Table {
    fn draw(&self, out: &mut String) -> std::fmt::Result {
        let words = match (self.words, self.named) {
            (true, _) => " class=\"words\"",
            (_, true) => " class=\"named\"",
            _ => "",
        };
        writeln!(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"table\"><table{words}>")?;
        if !self.caption.is_empty() {
            writeln!(out, "<caption>{}</caption>", escape(&self.caption))?;
        }
        out.push_str("<thead><tr>");
        for name in &self.head {
            write!(out, "<th scope=\"col\">{}</th>", escape(name))?;
        }
        out.push_str("</tr></thead>\n<tbody>\n");
        for (cells, level) in &self.rows {
            write!(out, "<tr class=\"{}\">", level.class())?;
            for (at, cell) in cells.iter().enumerate() {
                let (open, close) = if at == 0 { ("<th scope=\"row\">", "</th>") } else { ("<td>", "</td>") };
                write!(out, "{open}{}{close}", escape(cell))?;
            }
            out.push_str("</tr>\n");
        }
        writeln!(out, "</tbody></table></div>")
    }
}

/// Text as it may stand in HTML, between tags or within the quotes of an attribute.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // HTML has no way to write these (WHATWG, "control-character-reference").
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A JSON string that may stand in a script element.
fn json_text(text: &str) -> String {
    crate::report::quote(text).replace('<', "\\u003c")
}
