//! The JSON schema as it follows from the types of the config file; `make schema` writes it to
//! `configs/treering.schema.json`.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::file::ConfigFile;
use super::sections::SECTIONS;

/// The schema (draft 2020-12) of the config file.
pub fn schema_of_types() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<ConfigFile>().to_value();
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        for section in SECTIONS {
            let description = format!("The file that holds the section {section}.");
            let file = serde_json::json!({ "description": description, "type": "string" });
            properties.insert(format!("{section}-file"), file);
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::super::schema::{SCHEMA, SCHEMA_TEXT};
    use super::*;

    #[test]
    fn the_file_is_what_the_types_say() {
        assert_eq!(*SCHEMA, schema_of_types(), "`make schema` writes it anew");
        assert_eq!(SCHEMA_TEXT, format!("{:#}\n", *SCHEMA));
    }
}
