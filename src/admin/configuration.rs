//! The configuration in use, as it may be shown: a secret appears as its fingerprint.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the sidecar runs with, and why that is not what the files say now, if it is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// When it was read.
    pub read_at: Timestamp,
    /// What is wrong with the files as they are now; what was read before stays in use.
    pub trouble: Option<String>,
    /// Sections that have changed since the start and are applied by a restart alone.
    pub restart: Vec<String>,
    /// Every key and its value.
    pub settings: Vec<Setting>,
}

/// One key of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its dotted path.
    pub key: String,
    /// Its value as it may be shown.
    pub value: String,
    /// Who gave it.
    pub given: Given,
}

/// Who gave a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Given {
    /// Nobody: it is the default.
    Default,
    /// The configuration file.
    File,
    /// A variable of the environment.
    Environment,
}

impl Configuration {
    /// A configuration that was read now and is in use as a whole.
    pub fn read(read_at: Timestamp, settings: Vec<Setting>) -> Self {
        Self { read_at, trouble: None, restart: Vec::new(), settings }
    }
}
