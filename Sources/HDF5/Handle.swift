internal import CHDF5

/// The one owner of an identifier of the library.
///
/// Not internal, because the optimiser moves the destruction of groups and datasets into other rooms.
package struct Handle: ~Copyable, Sendable {
    typealias Close = @convention(c) @Sendable (hid_t) -> herr_t

    let id: hid_t
    private let close: Close

    /// Takes over the identifier that `open` returns, to be given to `close` in the end. Throws `HDF5Error`.
    init(_ operation: @autoclosure () -> String, closedBy close: Close, _ open: () -> hid_t) throws {
        id = try HDF5Library.call(operation(), open)
        self.close = close
    }

    /// Closes now. Throws `HDF5Error` when what was buffered cannot be written.
    consuming func close(_ operation: @autoclosure () -> String) throws {
        let (id, close) = (id, close)
        discard self
        try HDF5Library.call(operation()) { close(id) }
    }

    /// Leaves the identifier open for good.
    consuming func abandon() {
        discard self
    }

    deinit {
        HDF5Library.locked {
            // A handle that outlives the library, which ends in MPI_Finalize, wakes it up with printing on.
            _ = H5Eset_auto2(kaon_H5E_DEFAULT(), nil, nil)
            _ = close(id)
        }
    }
}
