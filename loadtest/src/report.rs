//! Results as aligned text for people and one line of JSON for machines.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// A value in a table.
#[derive(Debug, Clone)]
pub enum Cell {
    /// A word.
    Text(String),
    /// A count.
    Count(u64),
    /// A figure, with so many decimals in the text.
    Figure(f64, usize),
}

impl Cell {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Figure(figure, _) if figure.is_nan() => "–".to_owned(),
            Self::Figure(figure, decimals) => format!("{figure:.decimals$}"),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Text(text) => text.clone().into(),
            Self::Count(count) => (*count).into(),
            Self::Figure(figure, _) => Value::from(*figure),
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<f64> for Cell {
    fn from(figure: f64) -> Self {
        Self::Figure(figure, 2)
    }
}

/// Rows under a title.
#[derive(Debug, Clone)]
pub struct Table {
    title: String,
    columns: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// No rows yet.
    pub fn new(title: impl Into<String>, columns: &[&'static str]) -> Self {
        Self { title: title.into(), columns: columns.to_vec(), rows: Vec::new() }
    }

    /// One more row; as many cells as columns.
    pub fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    /// Title, heads, rows: words to the left, numbers to the right.
    pub fn text(&self) -> String {
        let mut lines: Vec<Vec<String>> = vec![self.columns.iter().map(|&head| head.to_owned()).collect()];
        lines.extend(self.rows.iter().map(|row| row.iter().map(Cell::text).collect()));
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let right: Vec<bool> = (0..self.columns.len())
            .map(|column| self.rows.iter().all(|row| !matches!(row[column], Cell::Text(_))))
            .collect();
        let mut text = format!("{}\n", self.title);
        for line in &lines {
            for (column, cell) in line.iter().enumerate() {
                let width = widths[column];
                let written =
                    if right[column] { write!(text, "  {cell:>width$}") } else { write!(text, "  {cell:<width$}") };
                written.expect("writing to a string cannot fail");
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text
    }

    /// `{"title": …, "rows": [{column: value, …}]}`.
    pub fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let fields = self.columns.iter().zip(row).map(|(&column, cell)| (column.replace(' ', "_"), cell.json()));
            Value::Object(fields.collect::<Map<_, _>>())
        });
        serde_json::json!({ "title": self.title, "rows": rows.collect::<Vec<_>>() })
    }

    /// Both, to standard output.
    pub fn print(&self) {
        println!("{}{}\n", self.text(), self.json());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_left_and_numbers_right() {
        let mut table = Table::new("fan", &["layout", "µs"]);
        table.row(vec!["1x1000".into(), 6.1.into()]);
        table.row(vec!["a".into(), 13.7.into()]);
        assert_eq!(table.text(), "fan\n  layout     µs\n  1x1000   6.10\n  a       13.70\n");
        assert_eq!(
            table.json().to_string(),
            r#"{"rows":[{"layout":"1x1000","µs":6.1},{"layout":"a","µs":13.7}],"title":"fan"}"#
        );
    }

    #[test]
    fn what_was_not_measured_is_a_dash() {
        let mut table = Table::new("t", &["x"]);
        table.row(vec![f64::NAN.into()]);
        assert_eq!(table.text(), "t\n  x\n  –\n");
        assert_eq!(table.json()["rows"][0]["x"], Value::Null);
    }
}
