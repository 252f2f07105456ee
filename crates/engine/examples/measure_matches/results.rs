//! The results of many searches, and the tables that are printed of them.

use std::collections::BTreeMap;
use std::time::Duration;

/// Minimum score of a match, as in `eval/recall.py`.
const THRESHOLD: f32 = 0.5;
/// Bands of the calibration table.
const BANDS: [(f32, f32); 6] = [
    (0.5, 0.6),
    (0.6, 0.7),
    (0.7, 0.8),
    (0.8, 0.9),
    (0.9, 1.0),
    (1.0, 1.1),
];

/// A match of a search.
pub struct Found {
    pub is_right: bool,
    pub name: String,
    pub score: f32,
}

/// All searches of one library.
#[derive(Default)]
pub struct Results {
    tally: BTreeMap<String, Tally>,
    /// Right and all matches per band of [`BANDS`].
    bands: [(usize, usize); BANDS.len()],
    /// False matches and lost copies, with the score that orders them.
    list: Vec<(f32, String)>,
    preparation: Vec<Duration>,
    finding: Vec<Duration>,
    missing: Vec<Duration>,
}

/// The searches with one label.
#[derive(Default)]
struct Tally {
    queries: usize,
    copies: usize,
    hits: usize,
    false_queries: usize,
}

impl Results {
    pub fn add_times(&mut self, preparation: Duration, search: Duration, has_found: bool) {
        self.preparation.push(preparation);
        let times = if has_found {
            &mut self.finding
        } else {
            &mut self.missing
        };
        times.push(search);
    }

    pub fn add(&mut self, label: &str, query: &str, is_copy: bool, mut found: Vec<Found>) {
        found.retain(|found| found.score >= THRESHOLD);
        let is_hit = found.first().is_some_and(|best| best.is_right);
        let tally = self.tally.entry(label.to_owned()).or_default();
        tally.queries += 1;
        tally.copies += usize::from(is_copy);
        tally.hits += usize::from(is_hit);
        tally.false_queries += usize::from(found.iter().any(|found| !found.is_right));
        if is_copy && !is_hit {
            self.list.push((0.0, format!("lost: {label} {query}")));
        }
        for Found {
            is_right,
            name,
            score,
        } in found
        {
            let band = BANDS
                .iter()
                .position(|(from, to)| (*from..*to).contains(&score));
            let (right, all) = &mut self.bands[band.unwrap_or(0)];
            *right += usize::from(is_right);
            *all += 1;
            if !is_right {
                let line = format!("false: {score:.3} {label} {query} -> {name}");
                self.list.push((score, line));
            }
        }
    }

    pub fn print(mut self, title: &str, with_list: bool) {
        println!("== {title}");
        let (mut recalls, mut false_queries, mut queries) = (Vec::new(), 0, 0);
        for (label, tally) in &self.tally {
            queries += tally.queries;
            false_queries += tally.false_queries;
            if tally.copies > 0 {
                let recall = 100.0 * tally.hits as f64 / tally.copies as f64;
                recalls.push(recall);
                println!("{label:<16} {recall:6.1} %  of {}", tally.copies);
            }
        }
        if with_list {
            self.list.sort_by(|a, b| b.0.total_cmp(&a.0));
            self.list.iter().for_each(|(_, line)| println!("{line}"));
        }
        for ((from, to), (right, all)) in BANDS.iter().zip(self.bands) {
            if all > 0 {
                let share = 100.0 * right as f64 / all as f64;
                println!("score {from:.1} to {to:.1}: {share:.1} % right of {all} matches");
            }
        }
        println!(
            "CPU: {:.1} ms to prepare a query, {:.1} ms for a search that finds, {:.1} ms for one \
             that does not",
            mean_ms(&self.preparation),
            mean_ms(&self.finding),
            mean_ms(&self.missing)
        );
        println!(
            "mean recall {:.2} %, {false_queries} false queries of {queries}\n",
            recalls.iter().sum::<f64>() / recalls.len().max(1) as f64
        );
    }
}

fn mean_ms(times: &[Duration]) -> f64 {
    let sum: Duration = times.iter().sum();
    sum.as_secs_f64() * 1e3 / times.len().max(1) as f64
}
