//! Descriptors that are kept back, so that a restart and an operator always
//! find some, however many services there are.

use std::fs::File;

use crate::files;

/// What a start needs for a moment and for good, and files that are read or
/// written meanwhile.
const START: usize = 14;

/// Connections of operators that find room when nothing else does.
pub(super) const CLIENTS: usize = 8;

/// Every descriptor in it is one that someone else can have at once.
#[derive(Default)]
pub(super) struct Reserve {
    spare: Vec<File>,
}

impl Reserve {
    /// Takes back what was lent, as far as there are descriptors. `clients`
    /// is how many connections there are. Whether a start leaves enough, and
    /// `beside` more.
    pub(super) fn fill(&mut self, clients: usize, beside: usize) -> bool {
        // A connection uses up its place in the reserve, not that of a start.
        let full = (START + CLIENTS).saturating_sub(clients.min(CLIENTS));
        while self.spare.len() < full + beside {
            let spare = match self.spare.first() {
                Some(file) => file.try_clone(),
                None => files::null(),
            };
            match spare {
                Ok(file) => self.spare.push(file),
                Err(_) => return false,
            }
        }
        self.spare.truncate(full);
        true
    }

    /// Frees what a start needs.
    pub(super) fn lend_to_start(&mut self) {
        self.spare.truncate(self.spare.len().saturating_sub(START));
    }

    /// Frees one descriptor for a connection, if that leaves those of a start.
    pub(super) fn lend_to_client(&mut self) -> bool {
        self.spare.len() > START && self.spare.pop().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_use_up_their_own_part_only() {
        let mut reserve = Reserve::default();
        assert!(reserve.fill(0, 0));
        assert_eq!(reserve.spare.len(), START + CLIENTS);
        for _ in 0..CLIENTS {
            assert!(reserve.lend_to_client());
        }
        assert!(!reserve.lend_to_client());
        assert!(reserve.fill(CLIENTS + 5, 3));
        assert_eq!(reserve.spare.len(), START);
        reserve.lend_to_start();
        assert!(reserve.spare.is_empty());
        assert!(reserve.fill(3, 0));
        assert_eq!(reserve.spare.len(), START + CLIENTS - 3);
    }
}
