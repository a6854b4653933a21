//! JSON with one reading: a name that stands twice with two values has none.

use std::fmt;

use secrecy::zeroize::Zeroize;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A JSON value. The texts in it, tokens among them, are wiped with it.
pub(super) struct Tree(Value);

impl Tree {
    /// An object.
    pub(super) fn object(map: Map<String, Value>) -> Self {
        Self(Value::Object(map))
    }

    /// The object, if it is one.
    pub(super) fn as_object(&self) -> Option<&Map<String, Value>> {
        self.0.as_object()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(wipe),
        Value::Object(map) => map.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneReading)
    }
}

struct OneReading;

impl<'de> Visitor<'de> for OneReading {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut values = Vec::new();
        while let Some(mut value) = access.next_element::<Tree>()? {
            values.push(std::mem::take(&mut value.0));
        }
        Ok(Tree(Value::Array(values)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut tree = Tree(Value::Object(Map::new()));
        while let Some((name, mut value)) = access.next_entry::<String, Tree>()? {
            let Value::Object(map) = &mut tree.0 else { break };
            match map.get(&name) {
                Some(before) if *before != value.0 => {
                    return Err(de::Error::custom("a name stands twice, with two values"));
                }
                Some(_) => {}
                None => drop(map.insert(name, std::mem::take(&mut value.0))),
            }
        }
        Ok(tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_stands_twice_needs_one_value() {
        for (text, has_one_reading) in [
            (r#"{"a":"1","a":"1"}"#, true),
            (r#"{"a":"1","a":"2"}"#, false),
            (r#"{"b":{"a":[1],"a":[1]}}"#, true),
            (r#"{"b":{"a":[1],"a":[2]}}"#, false),
            (r#"{"a":null,"b":[true,1,-1,1.5,"text",{}]}"#, true),
        ] {
            let tree = serde_json::from_str::<Tree>(text);
            assert_eq!(tree.is_ok(), has_one_reading, "{text}");
            let plain: Value = serde_json::from_str(text).unwrap();
            assert!(tree.is_err() || tree.is_ok_and(|tree| tree.0 == plain), "{text}");
        }
    }
}
