internal import CHDF5

/// The owner of an identifier of the library, which closes it.
///
/// Not internal, because the optimizer inlines the destruction of groups and datasets into other modules.
package struct Handle: ~Copyable, Sendable {
    typealias Close = @convention(c) @Sendable (hid_t) -> herr_t

    let id: hid_t
    private let close: Close

    /// Takes ownership of the identifier that `open` returns, to be closed by `close`. Throws `HDF5Error`.
    init(_ operation: @autoclosure () -> String, closedBy close: Close, _ open: () -> hid_t) throws {
        id = try HDF5Library.call(operation(), open)
        self.close = close
    }

    /// Closes the identifier. Throws `HDF5Error` if buffered data cannot be written.
    consuming func close(_ operation: @autoclosure () -> String) throws {
        let (id, close) = (id, close)
        discard self
        try HDF5Library.call(operation()) { close(id) }
    }

    /// Leaves the identifier open.
    consuming func abandon() {
        discard self
    }

    deinit {
        HDF5Library.locked {
            // If the library has ended, in MPI_Finalize, the call restarts it with printing of errors enabled.
            _ = H5Eset_auto2(kaon_H5E_DEFAULT(), nil, nil)
            _ = close(id)
        }
    }
}
