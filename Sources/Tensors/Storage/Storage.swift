/// Memory of tensors: a block of the arena, returned to it when the last tensor that shares it is released, or memory
/// of another owner.
final class Storage: @unchecked Sendable {
    let address: UnsafeMutableRawPointer
    /// Size of the block of the arena; nil for memory of another owner.
    private let block: Int?
    private let owner: AnyObject?

    init(bytes: Int) {
        let block = Arena.shared.allocate(bytes: bytes)
        (address, self.block, owner) = (block.pointer, block.bytes, nil)
    }

    /// Memory that exists as long as its owner.
    init(address: UnsafeMutableRawPointer, owner: AnyObject) {
        (self.address, block, self.owner) = (address, nil, owner)
    }

    deinit {
        if let block { Arena.shared.free(address, bytes: block) }
    }
}
