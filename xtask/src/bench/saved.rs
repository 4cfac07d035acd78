use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use xtask::Failure;

use super::measured::Measured;

pub(super) fn to_json(rows: &[Measured]) -> String {
    let rows: Vec<&Value> = rows.iter().map(Measured::to_json).collect();
    format!("{:#}\n", json!({ "cases": rows }))
}

/// Keeps the figures, in place of those that were kept under the same name.
pub(super) fn save(directory: &Path, name: &str, rows: &[Measured]) -> Result<(), Failure> {
    let file = file(directory, name);
    let written = fs::create_dir_all(directory).and_then(|()| fs::write(&file, to_json(rows)));
    written.map_err(|error| format!("cannot write {}: {error}", file.display()).into())
}

pub(super) fn load(directory: &Path, name: &str) -> Result<Vec<Measured>, Failure> {
    let file = file(directory, name);
    let text = fs::read_to_string(&file)
        .map_err(|error| format!("nothing is kept as {name:?} ({}): {error}", file.display()))?;
    let whole: Value = serde_json::from_str(&text)?;
    let rows = whole["cases"].as_array();
    let rows = rows.ok_or_else(|| format!("{} holds no figures", file.display()))?;
    Ok(rows
        .iter()
        .cloned()
        .filter_map(Measured::from_json)
        .collect())
}

fn file(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let row = json!({ "case": "hit/a", "median": 1.5 });
        let rows = vec![Measured::from_json(row).unwrap()];
        let within = directory.path().join("bench");
        save(&within, "base", &rows).unwrap();
        assert_eq!(load(&within, "base").unwrap(), rows);
        let error = load(&within, "other").unwrap_err().to_string();
        assert!(error.contains("\"other\""), "{error}");
    }
}
