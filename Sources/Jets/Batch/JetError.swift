import Configuration

/// An error about unusable data. The message names the file, the dataset and the row, and suggests a remedy.
package struct JetError: Error, CustomStringConvertible {
    package let description: String

    /// An error with the given message, in which control characters (from files) are escaped.
    package init(_ description: String) {
        self.description = printable(description, limit: 2000)
    }
}
