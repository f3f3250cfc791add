/// Data or a checkpoint that an objective cannot use.
package struct ObjectiveError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}
