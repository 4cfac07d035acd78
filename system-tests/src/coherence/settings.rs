//! What a process is told when it is started: one argument, in JSON.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};
use xtask::Failure;

/// What is wrong on purpose, so that it can be seen to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// Compositions have a bound of half a minute, whatever is checked.
    Loose,
    /// They do not listen to what they hear.
    Deaf,
}

impl Broken {
    pub(super) const ALL: [Self; 2] = [Self::Loose, Self::Deaf];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Loose => "loose",
            Self::Deaf => "deaf",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At the ends of two links, each of which can be disturbed by itself.
    Links { store: String, listener: String },
    /// Where sentinels say that it is.
    Sentinels(Vec<String>),
}

/// What a process is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Which of the processes it is.
    pub(super) number: usize,
    /// How many were in its place before.
    pub(super) incarnation: u32,
    pub(super) seed: u64,
    /// That which is checked.
    pub(super) bound: Duration,
    pub(super) broken: Option<Broken>,
    pub(super) place: Place,
    pub(super) journal: PathBuf,
}

impl Settings {
    pub(super) fn to_json(&self) -> String {
        let place = match &self.place {
            Place::Links { store, listener } => json!({ "store": store, "listener": listener }),
            Place::Sentinels(urls) => json!({ "sentinels": urls }),
        };
        let whole = json!({
            "number": self.number,
            "incarnation": self.incarnation,
            "seed": self.seed,
            "bound_micros": self.bound.as_micros() as u64,
            "broken": self.broken.map(Broken::name),
            "place": place,
            "journal": self.journal,
        });
        whole.to_string()
    }

    pub(super) fn from_json(text: &str) -> Result<Self, Failure> {
        let told: Value = serde_json::from_str(text)?;
        let number = |name: &str| told[name].as_u64().ok_or_else(|| format!("`{name}`?"));
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let place = &told["place"];
        let place = match place["sentinels"].as_array() {
            Some(urls) => Place::Sentinels(urls.iter().filter_map(text).collect()),
            None => Place::Links {
                store: text(&place["store"]).ok_or("`store`?")?,
                listener: text(&place["listener"]).ok_or("`listener`?")?,
            },
        };
        Ok(Self {
            number: usize::try_from(number("number")?)?,
            incarnation: u32::try_from(number("incarnation")?)?,
            seed: number("seed")?,
            bound: Duration::from_micros(number("bound_micros")?),
            broken: told["broken"].as_str().and_then(Broken::named),
            place,
            journal: text(&told["journal"]).ok_or("`journal`?")?.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_understood() {
        let sentinels = Place::Sentinels(vec!["redis://a:1".into(), "redis://a:2".into()]);
        let links = Place::Links {
            store: "redis://a:1".into(),
            listener: "redis://a:2".into(),
        };
        for (place, broken) in [(sentinels, None), (links, Some(Broken::Deaf))] {
            let settings = Settings {
                number: 3,
                incarnation: 2,
                seed: u64::MAX,
                bound: Duration::from_millis(20),
                broken,
                place,
                journal: "/a b/c".into(),
            };
            let told = Settings::from_json(&settings.to_json());
            assert_eq!(told.unwrap(), settings);
        }
        assert!(Settings::from_json("{}").is_err());
    }
}
