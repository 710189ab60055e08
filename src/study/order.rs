//! Order of cases and of readers, from the seed of a study. A rank is the SHA-256 of the seed, of what is ordered for
//! whom, and of the thing itself, so that another program can compute it:
//!
//! ```text
//! SHA-256("cxr study order 1\n", seed as 8 bytes, lowest first, then each part: its length likewise, its UTF-8)
//! ```
//!
//! Cases come by the rank of (`case`, reader, mode, SHA-256 of the case in hexadecimal digits).

use sha2::{Digest, Sha256};

use super::cases::ListedCase;
use crate::domain::ReadingMode;

/// The rank of something; the lowest comes first.
pub fn rank(seed: u64, parts: &[&str]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(b"cxr study order 1\n");
    hasher.update(seed.to_le_bytes());
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().into()
}

/// The cases in the order in which a reader reads them in a mode.
pub fn reading_order<'a>(
    seed: u64,
    reader: &str,
    mode: ReadingMode,
    cases: impl IntoIterator<Item = &'a ListedCase>,
) -> Vec<&'a ListedCase> {
    let mut cases: Vec<&ListedCase> = cases.into_iter().collect();
    cases.sort_by_cached_key(|case| {
        let content = case.content.to_string();
        rank(seed, &["case", reader, mode.word(), &content])
    });
    cases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::hex::hex;

    fn cases(n: u8) -> Vec<ListedCase> {
        let case = |n: u8| ListedCase {
            path: format!("{n}.png").into(),
            content: format!("{n:02x}").repeat(32).parse().unwrap(),
        };
        (0..n).map(case).collect()
    }

    /// python3 -c 'import hashlib,struct;p=[b"case",b"ann",b"unaided"];
    /// print(hashlib.sha256(b"cxr study order 1\n"+struct.pack("<Q",7)+b"".join(struct.pack("<Q",len(x))+x for x in p)).hexdigest())'
    #[test]
    fn a_rank_is_the_published_digest() {
        let found = hex(&rank(7, &["case", "ann", "unaided"]));
        assert_eq!(found, RANK);
    }

    const RANK: &str = "3a513866790b77e3fedda14c8cdf2e1beae81c9ce80cf7b38e58119b4a65d426";

    #[test]
    fn reader_mode_and_seed_each_give_another_order_of_the_same_cases() {
        let all = cases(40);
        let order = |seed, reader: &str, mode| reading_order(seed, reader, mode, &all);
        let first = order(7, "ann", ReadingMode::Unaided);
        assert_eq!(first, order(7, "ann", ReadingMode::Unaided));
        for other in [
            order(8, "ann", ReadingMode::Unaided),
            order(7, "bob", ReadingMode::Unaided),
            order(7, "ann", ReadingMode::Aided),
        ] {
            assert_ne!(first, other);
            let sorted = |mut list: Vec<&ListedCase>| {
                list.sort_by(|a, b| a.path.cmp(&b.path));
                list.into_iter().cloned().collect::<Vec<_>>()
            };
            assert_eq!(sorted(first.clone()), sorted(other));
        }
    }
}
