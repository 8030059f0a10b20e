// SPDX-License-Identifier: AGPL-3.0-or-later
pragma solidity 0.8.28;

/// A token with the odd habits that tokens on real chains have; `mode` chooses one. For tests only:
/// everybody may do everything.
contract Token {
    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    uint8 constant NORMAL = 0;
    uint8 constant FEE = 1; // a tenth is taken on the way, the event tells the whole
    uint8 constant FALSE = 2; // moves nothing, tells nothing, gives false, status 1
    uint8 constant LYING = 3; // moves nothing, tells it did
    uint8 constant SILENT = 4; // moves and tells, gives no result at all

    string public name;
    string public symbol;
    uint8 public decimals;
    uint256 public totalSupply;
    uint8 public mode;
    bool public paused;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;
    mapping(address => bool) public blocked;

    constructor(string memory name_, uint8 decimals_, uint8 mode_, uint256 supply) {
        name = name_;
        symbol = name_;
        decimals = decimals_;
        mode = mode_;
        totalSupply = supply;
        balanceOf[msg.sender] = supply;
        emit Transfer(address(0), msg.sender, supply);
    }

    function setMode(uint8 mode_) external {
        mode = mode_;
    }

    function setPaused(bool paused_) external {
        paused = paused_;
    }

    function setBlocked(address account, bool blocked_) external {
        blocked[account] = blocked_;
    }

    /// A balance that changes without an event, as with tokens that rebase.
    function setBalance(address account, uint256 amount) external {
        balanceOf[account] = amount;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        return _move(from, to, amount);
    }

    /// Several payments in one transaction.
    function transferMany(address[] calldata to, uint256[] calldata amounts) external {
        for (uint256 i = 0; i < to.length; i++) {
            _move(msg.sender, to[i], amounts[i]);
        }
    }

    /// An event of a payment that never was.
    function fake(address from, address to, uint256 amount) external {
        emit Transfer(from, to, amount);
    }

    /// The event of a collectible (ERC-721): the same first topic, the number is a fourth one.
    function fakeCollectible(address from, address to, uint256 id) external {
        bytes32 topic = Transfer.selector;
        assembly {
            log4(0, 0, topic, from, to, id)
        }
    }

    /// The event with `size` bytes of data in the place of one word.
    function fakeData(address from, address to, uint256 size) external {
        bytes32 topic = Transfer.selector;
        assembly {
            log3(0, size, topic, from, to)
        }
    }

    function _move(address from, address to, uint256 amount) private returns (bool) {
        require(!paused, "paused");
        require(!blocked[from] && !blocked[to], "blocked");
        if (mode == FALSE) return false;
        if (mode == LYING) {
            emit Transfer(from, to, amount);
            return true;
        }
        balanceOf[from] -= amount;
        balanceOf[to] += mode == FEE ? amount - amount / 10 : amount;
        emit Transfer(from, to, amount);
        if (mode == SILENT) {
            assembly {
                return(0, 0)
            }
        }
        return true;
    }
}
