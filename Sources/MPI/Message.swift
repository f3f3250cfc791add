/// Memory for a non-blocking operation, at a fixed address during the lifetime of the object.
package protocol MessageBuffer: AnyObject {
    associatedtype Element: MPIScalar

    /// The elements, all initialised; valid during the lifetime of the object.
    var elements: UnsafeMutableBufferPointer<Element> { get }
}

/// A `MessageBuffer` that owns its memory.
package final class Message<Element: MPIScalar>: MessageBuffer {
    package let elements: UnsafeMutableBufferPointer<Element>

    /// A buffer of `count` zeros.
    package init(count: Int) {
        elements = .allocate(capacity: count)
        UnsafeMutableRawBufferPointer(elements).initializeMemory(as: UInt8.self, repeating: 0)
    }

    /// A copy of `values`.
    package init(_ values: [Element]) {
        elements = .allocate(capacity: values.count)
        _ = elements.initialize(from: values)
    }

    /// A copy of the elements.
    package var values: [Element] { Array(elements) }

    deinit { elements.deallocate() }
}
