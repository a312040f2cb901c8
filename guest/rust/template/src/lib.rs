use mongoqueue_guest::{Job, Result, handler, progress, reject};

#[derive(serde::Deserialize)]
struct Person {
    #[serde(default)]
    name: String,
}

#[derive(serde::Serialize)]
struct Greeting {
    greeting: String,
}

/// Greets whoever the payload names: `{"name": "Ada"}`.
fn greet(job: Job<Person>) -> Result<Greeting> {
    let greeting = greeting(&job.payload)?;
    progress(1, Some(1), "greeted")?;
    Ok(greeting)
}

fn greeting(person: &Person) -> Result<Greeting> {
    if person.name.is_empty() {
        // To the dead jobs: no attempt will ever do better.
        return Err(reject("nobody to greet").code("no-name"));
    }
    Ok(Greeting { greeting: format!("Hello, {}!", person.name) })
}

handler!(greet);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greets_by_name() {
        let greeting = greeting(&Person { name: "Ada".to_owned() }).unwrap();
        assert_eq!(greeting.greeting, "Hello, Ada!");
    }

    #[test]
    fn rejects_a_job_without_a_name() {
        let error = greeting(&Person { name: String::new() }).err().unwrap();
        assert_eq!(error.get_code(), Some("no-name"));
    }
}
