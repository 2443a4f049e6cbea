//! How the fields of a struct in the stream fall to those that the receiver knows: by name.

use super::super::error::ZstatsError;
use super::types::{Type, Types};

/// The kind of a field that the receiver knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// True or false.
    Bool,
    /// A signed number.
    Int,
    /// A double.
    Float,
    /// A string.
    Text,
    /// A list of anything; the caller looks at the elements' type.
    List,
}

/// What to do with a field of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Its value is that of the receiver's field of this number.
    Own(usize),
    /// Its value, of this type, is thrown away.
    Skip(i64),
}

/// A step for each field of a struct in the stream.
#[derive(Debug, Default)]
pub struct Plan {
    /// The steps, in the order of the stream's fields.
    pub steps: Vec<Step>,
    /// For each field of the receiver: the type of its elements, if it is a list and there.
    elements: Vec<Option<i64>>,
}

impl Plan {
    /// The type of the elements of a list, if the stream has that field.
    pub fn element(&self, own: usize) -> Option<i64> {
        self.elements.get(own).copied().flatten()
    }
}

impl Types<'_> {
    /// The plan for a struct of that id, which is called `what` in errors. Without an id: nobody sends one.
    pub fn plan(&self, id: Option<i64>, what: &'static str, own: &[(&'static str, Want)]) -> Result<Plan, ZstatsError> {
        let Some(id) = id else { return Ok(Plan::default()) };
        let found = self.get(id)?;
        let Type::Struct(first, count) = found else {
            return Err(ZstatsError::Mismatch { what, expected: "a struct", found: found.name() });
        };
        let mut plan = Plan { steps: Vec::with_capacity(count), elements: vec![None; own.len()] };
        let mut met = vec![false; own.len()];
        for (name, id) in self.fields(first, count) {
            let Some(at) = own.iter().position(|(own, _)| own.as_bytes() == *name) else {
                plan.steps.push(Step::Skip(*id));
                continue;
            };
            let what = own[at].0;
            if std::mem::replace(&mut met[at], true) {
                return Err(ZstatsError::FieldTwice { what });
            }
            let found = self.get(*id)?;
            let expected = match (own[at].1, found) {
                (Want::Bool, Type::Bool)
                | (Want::Int, Type::Int)
                | (Want::Float, Type::Float)
                | (Want::Text, Type::Text) => None,
                (Want::List, Type::List(element)) => {
                    plan.elements[at] = Some(element);
                    None
                }
                (Want::Bool, _) => Some("a bool"),
                (Want::Int, _) => Some("a signed number"),
                (Want::Float, _) => Some("a float"),
                (Want::Text, _) => Some("a string"),
                (Want::List, _) => Some("a list"),
            };
            if let Some(expected) = expected {
                return Err(ZstatsError::Mismatch { what, expected, found: found.name() });
            }
            plan.steps.push(Step::Own(at));
        }
        if count > 0 && !met.contains(&true) {
            return Err(ZstatsError::NothingCommon { what });
        }
        Ok(plan)
    }

    /// Refuses a list of strings that is one of something else.
    pub fn check_element(&self, id: Option<i64>, what: &'static str, element: Type) -> Result<(), ZstatsError> {
        match id.map(|id| self.get(id)).transpose()? {
            Some(found) if found != element => {
                Err(ZstatsError::Mismatch { what, expected: element.name(), found: found.name() })
            }
            _ => Ok(()),
        }
    }
}
