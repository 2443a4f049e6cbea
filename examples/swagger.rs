//! Prints the description of the API in OpenAPI: `make swagger` writes it to `swagger.json`.

fn main() {
    print!("{}", treering::server::openapi_json());
}
