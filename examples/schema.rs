//! Prints the JSON schema of the config file: `make schema` writes it to `configs/treering.schema.json`.

fn main() {
    println!("{:#}", treering::config::schema_of_types());
}
