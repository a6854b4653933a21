//! Did you mean …?

/// The candidate that a word is a misspelling of, if one is near enough.
pub(super) fn closest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', ' ', '.'], "_");
    let word = plain(word);
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(&word, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 5)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspellings_are_recognised_and_other_words_are_not() {
        let keys = ["url", "ca_file", "connect_timeout"];
        let meant = |word| closest(word, keys.into_iter());
        assert_eq!(meant("connect-timeout"), Some("connect_timeout"));
        assert_eq!(meant("conect_timout"), Some("connect_timeout"));
        assert_eq!(meant("ulr"), Some("url"));
        assert_eq!(meant("CA_FILE"), Some("ca_file"));
        assert_eq!(meant("timeout"), None);
        assert_eq!(meant("proxy"), None);
    }
}
