//! The published schemas are the types'.

use std::{fs, path::Path};

#[test]
fn published_schemas_are_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema");
    for (name, text) in exportpool_contract::schema::all() {
        let published = fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(published == text, "docs/schema/{name} is not what the types say: run `make schema`");
    }
}
