//! The dictionary of the pieces that names are made of: the characters, and
//! pairs of pieces that are frequent, one after the other (byte-pair encoding).

use crate::CODES;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

/// Pieces that are made of two others, at most: each takes its text and a word
/// of the table.
const PAIRS: usize = 1024;
/// A pair that is found less often takes more than it saves.
const RARE: usize = 8;

/// Names in codes.
pub struct Coded {
    /// What each code stands for; the most frequent come first.
    pub pieces: Vec<String>,
    /// The codes of each name.
    pub names: Vec<Vec<u16>>,
}

/// Finds pieces for these names. `None` if they have more characters than
/// there are codes.
pub fn code(names: &[&str]) -> Option<Coded> {
    let mut work = Work::new(names);
    while work.pieces.len() < CODES && work.made < PAIRS && work.join_most_frequent() {}
    (work.pieces.len() <= CODES).then(|| work.by_frequency())
}

type Pair = (u16, u16);

struct Work {
    pieces: Vec<String>,
    /// Of those, how many are made of two others.
    made: usize,
    names: Vec<Vec<u16>>,
    /// How often each pair is found, and in which names.
    pairs: BTreeMap<Pair, (usize, BTreeSet<usize>)>,
}

impl Work {
    fn new(names: &[&str]) -> Self {
        let characters: BTreeSet<char> = names.iter().flat_map(|name| name.chars()).collect();
        let codes: BTreeMap<char, u16> = characters.iter().copied().zip(0..).collect();
        let mut work = Work {
            pieces: characters.into_iter().map(String::from).collect(),
            made: 0,
            names: names
                .iter()
                .map(|name| name.chars().map(|character| codes[&character]).collect())
                .collect(),
            pairs: BTreeMap::new(),
        };
        (0..names.len()).for_each(|name| work.count(name));
        work
    }

    fn count(&mut self, name: usize) {
        for pair in pairs_of(&self.names[name]) {
            let (times, found_in) = self.pairs.entry(pair).or_default();
            *times += 1;
            found_in.insert(name);
        }
    }

    fn uncount(&mut self, name: usize) {
        for pair in pairs_of(&self.names[name]) {
            if let Some((times, found_in)) = self.pairs.get_mut(&pair) {
                *times -= 1;
                found_in.remove(&name);
            }
        }
    }

    /// Makes a piece of the pair that is found most often; false if none is
    /// found often enough.
    fn join_most_frequent(&mut self) -> bool {
        let most = self.pairs.iter().max_by_key(|(_, (times, _))| *times);
        let Some((&pair, (times, found_in))) = most else {
            return false;
        };
        if *times < RARE {
            return false;
        }
        let (found_in, joined) = (found_in.clone(), self.pieces.len() as u16);
        let piece = [pair.0, pair.1].map(|code| self.pieces[usize::from(code)].as_str());
        self.pieces.push(piece.concat());
        self.made += 1;
        for name in found_in {
            self.uncount(name);
            self.names[name] = with_joined(&self.names[name], pair, joined);
            self.count(name);
        }
        true
    }

    /// The pieces that are used, by how often they are.
    fn by_frequency(self) -> Coded {
        let mut uses: Vec<(usize, usize)> = (0..self.pieces.len()).map(|code| (0, code)).collect();
        for &code in self.names.iter().flatten() {
            uses[usize::from(code)].0 += 1;
        }
        uses.retain(|(times, _)| *times != 0);
        uses.sort_by_key(|(times, code)| (usize::MAX - times, *code));
        let mut new_codes = alloc::vec![0; self.pieces.len()];
        for (new, (_, code)) in (0..).zip(&uses) {
            new_codes[*code] = new;
        }
        let mut names = self.names;
        for code in names.iter_mut().flatten() {
            *code = new_codes[usize::from(*code)];
        }
        let piece = |(_, code): &(usize, usize)| self.pieces[*code].clone();
        let pieces = uses.iter().map(piece).collect();
        Coded { pieces, names }
    }
}

fn pairs_of(codes: &[u16]) -> Vec<Pair> {
    codes.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

fn with_joined(codes: &[u16], pair: Pair, joined: u16) -> Vec<u16> {
    let mut result = Vec::new();
    let mut rest = codes;
    while let [first, others @ ..] = rest {
        match others {
            [second, behind @ ..] if (*first, *second) == pair => {
                result.push(joined);
                rest = behind;
            }
            _ => {
                result.push(*first);
                rest = others;
            }
        }
    }
    result
}
