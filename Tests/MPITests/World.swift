import TestSupport

let world = makeWorld()

/// A failure to throw in tests.
struct Failure: Error, CustomStringConvertible {
    let description: String
}
