//! Keys, sections and variables that nobody reads: mostly misspelt, so never ignored.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::env::variable_of;
use super::error::{Place, Problem};
use super::reader::Reader;
use super::suggest::closest;
use super::value::{Wrong, quoted};

impl Reader<'_> {
    /// Refuses everything in both layers that was not asked for.
    pub(super) fn refuse_unknown(&mut self) {
        if let Some(root) = self.root {
            self.refuse_unknown_in("", root.get_ref());
        }
        let names: Vec<_> = self.known.iter().map(|known| variable_of(&known.key)).collect();
        for variable in self.environment.overrides() {
            if !names.iter().any(|name| name == variable) {
                let near = closest(variable, names.iter().map(String::as_str));
                let what = "there is no such variable";
                let message = match near {
                    Some(near) => format!("{what}; did you mean {near}?"),
                    None => format!(
                        "{what}; expected WEBWORK_SIDECAR_ and the path of a key, such as WEBWORK_SIDECAR_UPSTREAM__URL"
                    ),
                };
                self.note(Problem::new(Place::Variable(variable.to_owned()), message));
            }
        }
    }

    fn refuse_unknown_in(&mut self, section: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = join(section, name.get_ref());
            let is_key = self.known.iter().any(|known| known.key == key);
            let below = format!("{key}.");
            let is_section = self.known.iter().any(|known| known.key.starts_with(&below));
            match value.get_ref() {
                _ if is_key => {}
                DeValue::Table(inner) if is_section => self.refuse_unknown_in(&key, inner),
                DeValue::Array(_) if is_section => {
                    let what = "this section is given as a list";
                    let once = format!("[{key}] in single brackets, once");
                    self.refuse_name(&key, name, Wrong::new(what).expecting(once));
                }
                _ if is_section => {
                    let what = "this is a section, not a key";
                    let header = format!("a line [{key}] with its keys below");
                    self.refuse_name(&key, name, Wrong::new(what).expecting(header));
                }
                other => {
                    let wrong = self.unknown(section, name.get_ref(), other.is_table());
                    self.refuse_name(&key, name, wrong);
                }
            }
        }
    }

    /// What to say about a name that is neither key nor section.
    fn unknown(&self, section: &str, name: &str, is_table: bool) -> Wrong {
        let start = if section.is_empty() { String::new() } else { format!("{section}.") };
        let mut siblings: Vec<&str> = self
            .known
            .iter()
            .filter_map(|known| known.key.strip_prefix(&start))
            .map(|rest| rest.split('.').next().unwrap_or(rest))
            .collect();
        siblings.sort_unstable();
        siblings.dedup();
        // A section holds keys or sections, never both.
        let are_keys = self
            .known
            .iter()
            .any(|known| known.key.strip_prefix(&start).is_some_and(|rest| !rest.contains('.')));
        let kind = if are_keys { "keys" } else { "sections" };
        let what = if is_table { "there is no such section" } else { "there is no such key" };
        let wrong =
            Wrong::new(what).expecting(format!("one of the {kind} {}", siblings.join(", ")));
        let elsewhere = || {
            let mut homes = self.known.iter().filter(|known| known.leaf() == name);
            homes.next().filter(|_| homes.next().is_none()).map(|known| known.key.as_str())
        };
        match closest(name, siblings.iter().copied()).or_else(elsewhere) {
            Some(near) => wrong.suggesting(near),
            None => wrong,
        }
    }

    /// Points at the name only: what stands behind an unknown one may be a secret.
    fn refuse_name(&mut self, key: &str, name: &Spanned<std::borrow::Cow<'_, str>>, wrong: Wrong) {
        let Some(document) = self.document else { return };
        let excerpt = document.excerpt(name.span()).filter(|shown| !shown.text.contains('='));
        let place = document.place(name.span().start);
        self.note(Problem::new(place, wrong.message()).of_key(key).with_excerpt(excerpt));
    }
}

/// The dotted path of a name; one that needs quotation marks keeps them, so that `"upstream.url"`
/// is not taken for `upstream.url`.
fn join(section: &str, name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name = if name.chars().all(bare) { name.to_owned() } else { quoted(name) };
    if section.is_empty() { name } else { format!("{section}.{name}") }
}
