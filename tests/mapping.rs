//! Tests that `mapping.md` and `zoom-udm mapping` match the table.

use assert_cmd::Command;
use testkit::files::root;

#[test]
fn mapping_md_matches_the_table() {
    let path = root().join("mapping.md");
    let printed = zoom_udm::mapping::markdown();
    if std::env::var_os("UPDATE_MAPPING").is_some() {
        std::fs::write(&path, &printed).expect("mapping.md can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == printed,
        "mapping.md is stale; UPDATE_MAPPING=1 cargo test --locked --test mapping updates it"
    );
}

#[test]
fn mapping_command_prints_mapping_md() {
    let output = Command::new(env!("CARGO_BIN_EXE_zoom-udm")).arg("mapping").output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), zoom_udm::mapping::markdown());
}

#[test]
fn mapping_command_prints_every_row_as_json() {
    let output = Command::new(env!("CARGO_BIN_EXE_zoom-udm"))
        .args(["mapping", "--format", "json"])
        .output()
        .expect("the program runs");
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).expect("valid JSON");
    assert_eq!(rows.len(), zoom_udm::mapping::ROWS.len());
    for (found, row) in rows.iter().zip(zoom_udm::mapping::ROWS) {
        assert_eq!(found["path"], row.path);
        assert_eq!(found["rule"], row.rule);
        assert_eq!(found["profile"], row.profile().name());
        assert_eq!(found["example"]["text"], row.example.0);
        assert_eq!(found["example"]["value"], row.example.1);
    }
}

#[test]
fn mapping_command_prints_rows_of_one_profile() {
    let rows = |profile: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_zoom-udm"))
            .args(["mapping", "--format", "json", "--profile", profile])
            .output()
            .expect("the program runs");
        serde_json::from_slice::<Vec<serde_json::Value>>(&output.stdout).expect("valid JSON")
    };
    let (google, enriched) = (rows("google"), rows("enriched"));
    assert!(google.iter().all(|row| row["profile"] == "google"));
    assert!(enriched.iter().all(|row| row["profile"] == "enriched"));
    assert_eq!(google.len() + enriched.len(), zoom_udm::mapping::ROWS.len());
    assert!(enriched.iter().any(|row| row["path"] == "src.user.attribute.labels[]"));
}
