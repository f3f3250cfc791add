import Foundation

/// An error whose description is the message for the user.
package struct KaonError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// The operating system's description of an error: "No such file or directory".
package func reason(_ error: any Error) -> String {
    let error = error as NSError
    let cause = (error.userInfo[NSUnderlyingErrorKey] as? any Error).map { $0 as NSError } ?? error
    return cause.domain == NSPOSIXErrorDomain ? String(cString: strerror(Int32(cause.code))) : "\(error)"
}

/// The description of the last failed system call (`errno`).
package func systemReason() -> String { String(cString: strerror(errno)) }
