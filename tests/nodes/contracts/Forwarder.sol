// SPDX-License-Identifier: AGPL-3.0-or-later
pragma solidity 0.8.28;

interface IToken {
    function transfer(address to, uint256 amount) external returns (bool);
}

/// Pays its whole balance to an account and is gone.
contract Bomb {
    constructor(address payable to) payable {
        selfdestruct(to);
    }
}

/// Takes no money.
contract Refuser {
    receive() external payable {
        revert("no");
    }
}

/// Payments made by a contract, as exchanges and wallets make them. For tests only.
contract Forwarder {
    receive() external payable {}

    /// The whole value to one account.
    function pay(address to) public payable {
        _send(to, msg.value);
    }

    /// Equal shares; when one is refused, all is undone.
    function payMany(address[] calldata to) external payable {
        for (uint256 i = 0; i < to.length; i++) {
            _send(to[i], msg.value / to.length);
        }
    }

    /// Equal shares; one that is refused stays here.
    function tryMany(address[] calldata to) external payable {
        for (uint256 i = 0; i < to.length; i++) {
            (bool ok, ) = to[i].call{value: msg.value / to.length}("");
            ok;
        }
    }

    /// The inner call pays and is undone; the transaction succeeds.
    function payAndUndo(address to) external payable {
        try this.payAndFail{value: msg.value}(to) {} catch {}
    }

    function payAndFail(address to) external payable {
        _send(to, msg.value);
        revert("undone");
    }

    /// Pays from within a delegated call, whose frame shows the value a second time.
    function payDelegated(address to) external payable {
        (bool ok, ) = address(this).delegatecall(abi.encodeCall(this.pay, (to)));
        require(ok);
    }

    /// Pays by making a contract that ends itself.
    function payByBomb(address payable to) external payable {
        new Bomb{value: msg.value}(to);
    }

    /// Tokens this contract holds.
    function payToken(address token, address to, uint256 amount) external {
        IToken(token).transfer(to, amount);
    }

    function _send(address to, uint256 amount) private {
        (bool ok, ) = to.call{value: amount}("");
        require(ok);
    }
}
