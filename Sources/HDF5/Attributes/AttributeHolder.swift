internal import CHDF5

/// An object with attributes: small named values, text or numbers, stored beside the data.
///
///     try dataset.setAttribute("names", to: ["pt", "deta"])
///     let names = try dataset.stringsAttribute("names")
///
/// On a shared file, setting an attribute is collective.
package protocol AttributeHolder: ~Copyable {
    /// The object as the library identifies it.
    var attributeOwner: AttributeOwner { get }
}

/// The identifier of an object with attributes, and its place for messages.
package struct AttributeOwner: Sendable {
    let id: hid_t
    let place: Place
}

extension AttributeHolder where Self: ~Copyable {
    /// The names of the attributes, sorted. Throws `HDF5Error`.
    package var attributeNames: [String] {
        get throws {
            let owner = attributeOwner
            var names: [String] = []
            try HDF5Library.call("list the attributes of \(owner.place)") {
                withUnsafeMutablePointer(to: &names) { names in
                    H5Aiterate2(
                        owner.id, H5_INDEX_NAME, H5_ITER_INC, nil,
                        { _, name, _, names in
                            guard let name, let names else { return -1 }
                            names.assumingMemoryBound(to: [String].self).pointee.append(String(cString: name))
                            return 0
                        }, names)
                }
            }
            return names
        }
    }

    /// True if the attribute exists.
    package func hasAttribute(_ name: String) -> Bool {
        HDF5Library.locked { H5Aexists(attributeOwner.id, name) > 0 }
    }

    // MARK: Setting

    /// Sets an attribute to a text of any length, which h5py reads as `str`. Throws `HDF5Error`.
    package func setAttribute(_ name: String, to text: String) throws {
        try AttributeWriter(attributeOwner, name).write([text], shape: [])
    }

    /// Sets an attribute to a list of texts. Throws `HDF5Error`.
    package func setAttribute(_ name: String, to texts: [String]) throws {
        try AttributeWriter(attributeOwner, name).write(texts, shape: [texts.count])
    }

    /// Sets an attribute to an integer. Throws `HDF5Error`.
    package func setAttribute(_ name: String, to number: Int) throws {
        try AttributeWriter(attributeOwner, name).write([number], shape: [])
    }

    /// Sets an attribute to a list of integers. Throws `HDF5Error`.
    package func setAttribute(_ name: String, to numbers: [Int]) throws {
        try AttributeWriter(attributeOwner, name).write(numbers, shape: [numbers.count])
    }

    /// Sets an attribute to a number. Throws `HDF5Error`.
    package func setAttribute(_ name: String, to number: Double) throws {
        try AttributeWriter(attributeOwner, name).write([number], shape: [])
    }

    /// Sets an attribute to a list of numbers. Throws `HDF5Error`.
    package func setAttribute(_ name: String, to numbers: [Double]) throws {
        try AttributeWriter(attributeOwner, name).write(numbers, shape: [numbers.count])
    }

    // MARK: Getting

    /// The text of an attribute. Throws `HDF5Error` if it is missing or of another type.
    package func stringAttribute(_ name: String) throws -> String {
        try AttributeReader(attributeOwner, name).single { try $0.strings() }
    }

    /// The texts of an attribute, row-major. Throws `HDF5Error` if it is missing or of another type.
    package func stringsAttribute(_ name: String) throws -> [String] {
        try AttributeReader(attributeOwner, name).strings()
    }

    /// The integer of an attribute. Throws `HDF5Error` if it is missing or of another type.
    package func intAttribute(_ name: String) throws -> Int {
        try AttributeReader(attributeOwner, name).single { try $0.integers() }
    }

    /// The integers of an attribute, row-major. Throws `HDF5Error` if it is missing or of another type.
    package func intsAttribute(_ name: String) throws -> [Int] {
        try AttributeReader(attributeOwner, name).integers()
    }

    /// The number of an attribute. Throws `HDF5Error` if it is missing or of another type.
    package func doubleAttribute(_ name: String) throws -> Double {
        try AttributeReader(attributeOwner, name).single { try $0.doubles() }
    }

    /// The numbers of an attribute, row-major. Throws `HDF5Error` if it is missing or of another type.
    package func doublesAttribute(_ name: String) throws -> [Double] {
        try AttributeReader(attributeOwner, name).doubles()
    }
}
